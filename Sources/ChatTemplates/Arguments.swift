/// The evaluated arguments of a call.
struct Arguments {
  var positional: [Value] = []
  var keywords: [(name: String, value: Value)] = []

  var isEmpty: Bool { positional.isEmpty && keywords.isEmpty }

  /// The arguments in the order of `names`; nil for one that is not given.
  ///
  /// - Throws: ``TemplateFailure`` for too many arguments, an unknown name, or one given twice.
  func bind(_ function: String, _ names: [String]) throws -> [Value?] {
    guard positional.count <= names.count else {
      throw TemplateFailure("\(function) takes at most \(names.count) arguments, found \(positional.count)")
    }
    var values: [Value?] = positional
    values += Array(repeating: nil, count: names.count - positional.count)
    for (name, value) in keywords {
      guard let index = names.firstIndex(of: name) else {
        throw TemplateFailure("\(function) has no argument '\(name)'")
      }
      guard values[index] == nil else { throw TemplateFailure("\(function) is given '\(name)' twice") }
      values[index] = value
    }
    return values
  }

  /// The arguments after the first, which names a filter or a test.
  var withoutFirst: Arguments { Arguments(positional: Array(positional.dropFirst()), keywords: keywords) }
}
