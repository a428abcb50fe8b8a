import CMPI
import RunFolder

/// How summands travel between hosts.
package enum WireFormat: String, Sendable, CaseIterable {
  case float32
  /// Every summand is rounded once, to the nearest; sums are made in fp32. Half the bytes.
  case bfloat16
}

/// Shards of a flat buffer on their way between ranks while the ranks compute: lists of shards are added as soon as their
/// numbers are ready, and ``advance()`` is called every few milliseconds, since MPI moves little on its own.
///
/// A number crosses once between hosts, straight to its owner; ranks of one host exchange through shared memory where they
/// have it. Sums are made in an order that the layout of ranks alone decides: the same bits whenever the stream is looked at.
/// One stream at a time may have shards under way. In a solo process there is nothing to do.
package final class ShardStream {
  /// A place in what has been added since nothing was under way.
  package struct Mark: Sendable {
    fileprivate let pieces: Int64
  }

  private let communicator: Communicator
  private let count: Int
  /// nil in a solo process.
  private let stream: OpaquePointer?

  /// Shards that end as the sum over ranks at their owner; what others hold of them then is unspecified.
  package convenience init(
    summing buffer: UnsafeMutableBufferPointer<Float>, wire: WireFormat, _ communicator: Communicator
  ) throws(TregError) {
    let flow = wire == .bfloat16 ? CMPI_SUMS_BFLOAT16 : CMPI_SUMS
    try self.init(UnsafeMutableRawBufferPointer(buffer), 4, flow, communicator)
  }

  /// Shards that are copied from their owner to all ranks.
  package convenience init<Element: BitwiseCopyable>(
    copying buffer: UnsafeMutableBufferPointer<Element>, _ communicator: Communicator
  ) throws(TregError) {
    try self.init(
      UnsafeMutableRawBufferPointer(buffer), MemoryLayout<Element>.stride, CMPI_COPIES, communicator)
  }

  private init(
    _ buffer: UnsafeMutableRawBufferPointer, _ stride: Int, _ flow: cmpi_flow, _ communicator: Communicator
  ) throws(TregError) {
    self.communicator = communicator
    count = buffer.count / stride
    var made: OpaquePointer?
    if let start = buffer.baseAddress {
      try communicator.call { table, error in
        table.open_stream(start, Int64(stride), flow, Int64(communicator.pieceBytes), &made, error)
      }
    }
    stream = made
  }

  deinit {
    if let stream { communicator.library?.table.close_stream(stream) }
  }

  /// Collective, in one order on all ranks: these shards, one range per rank, may travel from now on. Until ``finish()``
  /// nobody else touches them; an owner may read its own shard of a stream that copies.
  ///
  /// - Returns: what ``wait(for:)`` takes.
  @discardableResult
  package func extend(_ shards: [Range<Int>]) throws(TregError) -> Mark {
    try communicator.withShards(shards, count: count) { (cuts) throws(TregError) in
      guard let stream else { return }
      try communicator.call { table, error in table.extend_stream(stream, cuts, error) }
    }
    guard let stream, let library = communicator.library else { return Mark(pieces: 0) }
    return Mark(pieces: library.table.expected_of_stream(stream))
  }

  /// Returns when all that was added up to a mark has come to this rank; what it sends may still be under way.
  package func wait(for mark: Mark) throws(TregError) {
    guard let stream else { return }
    try communicator.call { table, error in table.await_stream(stream, mark.pieces, error) }
  }

  /// Does what can be done without waiting.
  ///
  /// - Returns: whether all shards so far are through on this rank.
  @discardableResult
  package func advance() throws(TregError) -> Bool {
    guard let stream else { return true }
    var left: Int64 = 0
    try communicator.call { table, error in table.advance_stream(stream, &left, error) }
    return left == 0
  }

  /// Returns when all shards are through on this rank.
  package func finish() throws(TregError) {
    guard let stream else { return }
    try communicator.call { table, error in table.finish_stream(stream, error) }
  }
}
