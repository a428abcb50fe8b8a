/// Classes of characters, read once from ``CharacterTables``.
struct CharacterClasses: Sendable {
  struct Entry: Sendable {
    var isWord = false
    var isPunctuation = false
    /// From 1; 0 goes with any script.
    var script: UInt8 = 0
  }

  static let shared = CharacterClasses()

  private var table = ScalarTable(Entry())

  @inline(__always)
  subscript(scalar: UInt32) -> Entry { table[scalar] }

  private init() {
    ScalarTable<Entry>.forEachRange(CharacterTables.words) { scalar, _ in table.change(scalar) { $0.isWord = true } }
    ScalarTable<Entry>.forEachRange(CharacterTables.punctuation) { scalar, _ in
      table.change(scalar) { $0.isPunctuation = true }
    }
    for (index, list) in CharacterTables.scripts.enumerated() {
      ScalarTable<Entry>.forEachRange(list) { scalar, _ in
        table.change(scalar) { $0.script = UInt8(index + 1) }
      }
    }
  }
}
