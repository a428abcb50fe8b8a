/// The names of one body, with the bodies around it.
final class Scope {
  private(set) var parent: Scope?
  private var symbols: [Symbol] = []
  private var values: [Value] = []

  init(parent: Scope?) { self.parent = parent }

  func value(_ symbol: Symbol) -> Value? {
    var scope = self
    while true {
      // The search goes backwards: names bound last are read first.
      var index = scope.symbols.count
      while index > 0 {
        index -= 1
        if scope.symbols[index] == symbol { return scope.values[index] }
      }
      guard let parent = scope.parent else { return nil }
      scope = parent
    }
  }

  /// Binds a name in this body; the bodies around it keep theirs.
  func set(_ symbol: Symbol, _ value: Value) {
    if let index = symbols.firstIndex(of: symbol) {
      values[index] = value
    } else {
      symbols.append(symbol)
      values.append(value)
    }
  }

  func removeAll() {
    symbols.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
  }

  /// Forgets names and surroundings, which ends the cycles that macros make with the scope they are in.
  func dissolve() {
    removeAll()
    parent = nil
  }
}
