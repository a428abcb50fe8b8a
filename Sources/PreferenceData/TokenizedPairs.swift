import RunFolder

/// Tokenised rows in the order of their files, and what was cut, repaired or left out.
package struct TokenizedPairs: Sendable {
  package let pairs: PairList
  /// Rows in the files, those left out included; positions of rows run from 0 up to here.
  package let readCount: Int
  package let skipped: SkippedRows
  package let totals: PairTotals

  package init(pairs: PairList, readCount: Int, skipped: SkippedRows = SkippedRows()) {
    var totals = PairTotals.Builder()
    for counts in pairs.allCounts { totals.add(counts) }
    self.init(pairs: pairs, readCount: readCount, skipped: skipped, totals: totals.finished)
  }

  init(pairs: PairList, readCount: Int, skipped: SkippedRows, totals: PairTotals) {
    self.pairs = pairs
    self.readCount = readCount
    self.skipped = skipped
    self.totals = totals
  }

  /// Hash of all pairs in order: equal for two ranks that see the same data through the same tokenizer and template.
  package var contentHash: String { totals.contentHash }
}

/// Sums over all pairs.
package struct PairTotals: Sendable, Equatable {
  package fileprivate(set) var pairs = 0
  package fileprivate(set) var tokens = 0
  package fileprivate(set) var truncatedPrompts = 0
  package fileprivate(set) var truncatedChosen = 0
  package fileprivate(set) var truncatedRejected = 0
  /// Rows by repair, those that happened, in the order of ``Repairs/names``.
  package fileprivate(set) var repairs: [(name: String, count: Int)] = []
  package fileprivate(set) var contentHash = ""

  package static func == (left: PairTotals, right: PairTotals) -> Bool {
    left.pairs == right.pairs && left.tokens == right.tokens && left.contentHash == right.contentHash
  }

  /// Sums up pair by pair; the hash covers their number and their keys.
  struct Builder: ~Copyable {
    private var totals = PairTotals()
    private var repairs = [Int](repeating: 0, count: UInt32.bitWidth)
    private var keys: [UInt64] = []

    mutating func add(_ counts: PairCounts) {
      totals.pairs += 1
      totals.tokens += counts.tokens
      totals.truncatedPrompts += counts.truncation.contains(.prompt) ? 1 : 0
      totals.truncatedChosen += counts.truncation.contains(.chosen) ? 1 : 0
      totals.truncatedRejected += counts.truncation.contains(.rejected) ? 1 : 0
      var bits = counts.repairs.rawValue
      while bits != 0 {
        repairs[bits.trailingZeroBitCount] += 1
        bits &= bits - 1
      }
      keys.append(counts.key.high)
      keys.append(counts.key.low)
    }

    var finished: PairTotals {
      var totals = totals
      var hash = ContentHash()
      hash.update(totals.pairs)
      hash.update(valuesOf: keys)
      totals.contentHash = hash.hexadecimal
      totals.repairs = Repairs.names.compactMap { repair, name in
        let count = repairs[repair.rawValue.trailingZeroBitCount]
        return count > 0 ? (name, count) : nil
      }
      return totals
    }
  }
}
