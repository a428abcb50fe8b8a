import Dispatch
import RunFolder
import Synchronization

extension PairTokenizer {
  /// The tokens of many rows, in their order.
  ///
  /// - Parameter threads: how many threads share the work; the result does not depend on it.
  /// - Throws: with ``BadRows/error``, the error of the first row, in their order, that cannot be used; and 65 when
  ///   no row is left.
  package func tokenize(
    _ rows: [PreferenceRow], badRows: BadRows = .error, threads: Int = 1
  ) throws -> TokenizedPairs {
    let pieceCount = (rows.count + Self.pieceSize - 1) / Self.pieceSize
    let results = Mutex([[Result<TokenizedPair, any Error>]](repeating: [], count: pieceCount))
    let next = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: max(1, min(threads, pieceCount))) { _ in
      while true {
        let piece = next.add(1, ordering: .relaxed).oldValue
        guard piece < pieceCount else { return }
        let range = piece * Self.pieceSize..<min(rows.count, (piece + 1) * Self.pieceSize)
        let outcome = rows[range].map { row in Result { try tokenize(row) } }
        results.withLock { $0[piece] = outcome }
      }
    }
    var pairs: [TokenizedPair] = []
    pairs.reserveCapacity(rows.count)
    var skipped = SkippedRows()
    for result in results.withLock({ $0 }).joined() {
      do {
        pairs.append(try result.get())
      } catch let error as TregError where error.exitCode == .badData && badRows == .skip {
        skipped.add(error)
      }
    }
    if pairs.isEmpty, let reason = skipped.reasons.first {
      throw TregError(.badData, "none of \(rows.count) rows can be used; the first: \(reason)")
    }
    return TokenizedPairs(pairs: pairs, skipped: skipped)
  }

  /// Rows that a thread takes at a time.
  private static var pieceSize: Int { 16 }
}
