import Dispatch
import RunFolder
import Synchronization

extension PairTokenizer {
  /// A row's tokens, with what is written of them to a file.
  struct Made: Sendable {
    let pair: TokenizedPair
    let record: [UInt8]
  }

  /// What went through, beside the pairs themselves.
  struct Passed: Sendable {
    var readCount = 0
    var usedCount = 0
    var skipped = SkippedRows()
  }

  /// Tokenises the rows of a stream in parallel and gives the pairs in the order of the rows.
  ///
  /// Rows move in waves: while the threads tokenise one, one of them reads the next. A wave ends at a number of rows or bytes,
  /// so that memory does not depend on the length of the files.
  ///
  /// - Parameters:
  ///   - threads: how many threads share the work; the result does not depend on it.
  ///   - isRecorded: whether the records for a file are made, too.
  ///   - body: called on the calling thread.
  ///   - progress: called between waves with the number of rows that are through.
  /// - Throws: with ``BadRows/error``, the error of the first row, in their order, that cannot be used; and what `body` throws.
  func forEachPair(
    of stream: RowStream, badRows: BadRows, threads: Int, isRecorded: Bool, progress: (Int) -> Void = { _ in },
    _ body: (Made) throws -> Void
  ) throws -> Passed {
    let waves = Waves(stream, rowLimit: Self.pieceSize * 32 * max(threads, 1), weightLimit: (8 << 20) * max(threads, 1))
    var passed = Passed()
    var wave = try waves.next()
    while !wave.isEmpty {
      let rows = wave
      let pieceCount = (rows.count + Self.pieceSize - 1) / Self.pieceSize
      let results = Mutex([[Result<Made, any Error>]](repeating: [], count: pieceCount))
      // Task 0 reads on.
      let next = Atomic(0)
      let following = Mutex(Result<[RawRow], any Error>.success([]))
      DispatchQueue.concurrentPerform(iterations: max(1, min(threads, pieceCount + 1))) { _ in
        while true {
          let task = next.add(1, ordering: .relaxed).oldValue
          guard task <= pieceCount else { return }
          if task == 0 {
            let read = Result { try waves.next() }
            following.withLock { $0 = read }
            continue
          }
          let range = (task - 1) * Self.pieceSize..<min(rows.count, task * Self.pieceSize)
          let outcome = rows[range].map { raw in
            defer { Pulse.beat() }
            return Result {
              let pair = try tokenize(raw.preferenceRow())
              return Made(pair: pair, record: isRecorded ? TokenFile.Writer.record(of: pair) : [])
            }
          }
          results.withLock { $0[task - 1] = outcome }
        }
      }
      for result in results.withLock({ $0 }).joined() {
        passed.readCount += 1
        do {
          try body(result.get())
          passed.usedCount += 1
        } catch let error as TregError where error.exitCode == .badData && badRows == .skip {
          passed.skipped.add(error)
        }
      }
      progress(passed.readCount)
      wave = try following.withLock { $0 }.get()
    }
    return passed
  }

  /// The tokens of rows at hand, in their order.
  ///
  /// - Throws: as ``forEachPair(of:badRows:threads:isRecorded:progress:_:)``, and 65 when no row is left.
  package func tokenize(
    _ rows: [PreferenceRow], badRows: BadRows = .error, threads: Int = 1
  ) throws -> TokenizedPairs {
    var pairs: [TokenizedPair] = []
    let passed = try forEachPair(of: RowStream(rows), badRows: badRows, threads: threads, isRecorded: false) {
      pairs.append($0.pair)
    }
    try passed.requirePairs(at: nil)
    return TokenizedPairs(pairs: PairList(pairs), readCount: passed.readCount, skipped: passed.skipped)
  }

  /// Rows that a thread takes at a time.
  private static var pieceSize: Int { 16 }
}

extension PairTokenizer.Passed {
  func requirePairs(at place: String?) throws {
    guard usedCount == 0, let reason = skipped.reasons.first else { return }
    throw TregError(.badData, at: place, "none of \(readCount) rows can be used; the first: \(reason)")
  }
}

/// Rows of a stream, many at a time. Used by one thread at a time.
private final class Waves: @unchecked Sendable {
  private let stream: RowStream
  private let rowLimit: Int
  private let weightLimit: Int
  private var failure: (any Error)?

  init(_ stream: RowStream, rowLimit: Int, weightLimit: Int) {
    self.stream = stream
    self.rowLimit = rowLimit
    self.weightLimit = weightLimit
  }

  /// Empty at the end. What reading throws comes after the rows before it.
  func next() throws -> [RawRow] {
    if let failure { throw failure }
    var rows: [RawRow] = []
    var weight = 0
    do {
      while rows.count < rowLimit, weight < weightLimit, let row = try stream.next() {
        weight += row.weight
        rows.append(row)
      }
    } catch  where !rows.isEmpty {
      failure = error
    }
    return rows
  }
}
