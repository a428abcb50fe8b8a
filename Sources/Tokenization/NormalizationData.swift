/// What normalisation needs to know of every character, read once from ``NormalizationTables``.
struct NormalizationData: Sendable {
  struct Entry: Sendable {
    /// Canonical combining class.
    var combiningClass: UInt8 = 0
    /// The forms of ``UnicodeForm`` in which the character may be copied, whatever stands around it: bits by raw value.
    var stable: UInt8 = 0b1111
    /// The character composes with one before it.
    var composes = false
    var isMark = false
    /// Index into `targets` plus 1; 0 when there is no decomposition.
    var canonical: UInt16 = 0
    var compatible: UInt16 = 0
  }

  static let shared = NormalizationData()

  private var table = ScalarTable(Entry())
  private(set) var targets: [[UInt32]] = []
  private var compositions: [UInt64: UInt32] = [:]

  @inline(__always)
  subscript(scalar: UInt32) -> Entry { table[scalar] }

  /// What two characters in a row compose to; Hangul is not in here.
  func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
    compositions[UInt64(first) << 32 | UInt64(second)]
  }

  private init() {
    ScalarTable<Entry>.forEachRange(NormalizationTables.marks) { scalar, _ in table.change(scalar) { $0.isMark = true }
    }
    for (combiningClass, scalars) in NormalizationTables.combiningClasses {
      ScalarTable<Entry>.forEachRange(scalars) { scalar, _ in
        table.change(scalar) {
          $0.combiningClass = combiningClass
          $0.stable = 0
        }
      }
    }
    var excluded = Set<UInt32>()
    ScalarTable<Entry>.forEachRange(NormalizationTables.excluded) { scalar, _ in excluded.insert(scalar) }
    var composed: [(scalar: UInt32, target: [UInt32])] = []
    ScalarTable<Entry>.forEachRange(NormalizationTables.canonical) { scalar, target in
      targets.append(target)
      let index = UInt16(targets.count)
      let recomposes = target.count > 1 && !excluded.contains(scalar)
      if recomposes { composed.append((scalar, target)) }
      table.change(scalar) {
        $0.canonical = index
        $0.stable &= recomposes ? UnicodeForm.composingBits : 0
      }
    }
    ScalarTable<Entry>.forEachRange(NormalizationTables.compatible) { scalar, target in
      targets.append(target)
      let index = UInt16(targets.count)
      table.change(scalar) {
        $0.compatible = index
        $0.stable &= UnicodeForm.canonicalBits
      }
    }
    // Shorter decompositions first, so that the composite of all but the last character is known.
    composed.sort { $0.target.count < $1.target.count }
    for (scalar, target) in composed {
      let last = target[target.count - 1]
      let first = target.dropLast().dropFirst().reduce(target[0]) { composition($0, $1) ?? $0 }
      compositions[UInt64(first) << 32 | UInt64(last)] = scalar
      markComposing(last)
    }
    for jamo in UInt32(0x1161)...0x1175 { markComposing(jamo) }
    for jamo in UInt32(0x11A8)...0x11C2 { markComposing(jamo) }
    for syllable in UInt32(0xAC00)...0xD7A3 { table.change(syllable) { $0.stable = UnicodeForm.composingBits } }
  }

  private mutating func markComposing(_ scalar: UInt32) {
    table.change(scalar) {
      $0.composes = true
      $0.stable &= ~UnicodeForm.composingBits
    }
  }
}
