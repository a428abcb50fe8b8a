import CMPI
import RunFolder

/// Data of any kind between ranks: broadcast, and bytes of varying counts.
extension Communicator {
  /// Copies the root's buffer to every rank's, all of one length.
  package func broadcast<Element: BitwiseCopyable>(
    _ buffer: UnsafeMutableBufferPointer<Element>, from root: Int = 0
  ) throws(TregError) {
    precondition((0..<size).contains(root), "no rank \(root)")
    let bytes = UnsafeMutableRawBufferPointer(buffer)
    guard let start = bytes.baseAddress else { return }
    try call { table, error in
      table.broadcast(start, Int64(bytes.count), Int32(root), Int64(pieceBytes), error)
    }
  }

  /// Copies one value from the root.
  package func broadcast<Element: BitwiseCopyable>(_ value: inout Element, from root: Int = 0) throws(TregError) {
    try withUnsafeMutablePointer(to: &value) { (pointer) throws(TregError) in
      try broadcast(UnsafeMutableBufferPointer(start: pointer, count: 1), from: root)
    }
  }

  /// Copies the root's bytes to every rank, whatever the length; what the others pass is ignored.
  package func broadcast(bytes: [UInt8], from root: Int = 0) throws(TregError) -> [UInt8] {
    var count = bytes.count
    try broadcast(&count, from: root)
    if rank == root {
      var own = bytes
      try own.withUnsafeMutableBufferPointer { (buffer) throws(TregError) in try broadcast(buffer, from: root) }
      return own
    }
    return try Self.bytes(count) { (buffer) throws(TregError) in try broadcast(buffer, from: root) }
  }

  /// Gives every rank what all ranks passed, by rank.
  package func allGather(bytes: [UInt8]) throws(TregError) -> [[UInt8]] {
    guard size > 1 else { return [bytes] }
    var counts = [Int](repeating: 0, count: size)
    counts[rank] = bytes.count
    let ranks = (0..<size).map { $0..<$0 + 1 }
    try counts.withUnsafeMutableBufferPointer { (buffer) throws(TregError) in try allGather(buffer, shards: ranks) }
    let shards = Self.shards(counts)
    let all = try Self.bytes(counts.reduce(0, +)) { (buffer) throws(TregError) in
      _ = UnsafeMutableBufferPointer(rebasing: buffer[shards[rank]]).update(fromContentsOf: bytes)
      try allGather(buffer, shards: shards)
    }
    return shards.map { Array(all[$0]) }
  }

  /// Sends `outgoing[r]` to rank r and returns what every rank sent here, by rank.
  package func exchange(_ outgoing: [[UInt8]]) throws(TregError) -> [[UInt8]] {
    precondition(outgoing.count == size, "\(outgoing.count) parcels for \(size) ranks")
    guard size > 1 else { return outgoing }
    let sendCounts = outgoing.map(\.count)
    let sendCounts64 = sendCounts.map(Int64.init)
    var receiveCounts64 = [Int64](repeating: 0, count: size)
    try call { table, error in table.all_to_all_int64(sendCounts64, &receiveCounts64, error) }
    let receiveCounts = receiveCounts64.map(Int.init)
    // Flat, one byte longer than needed: an empty array would have no address.
    var parcels = [UInt8]()
    parcels.reserveCapacity(sendCounts.reduce(1, +))
    for parcel in outgoing { parcels += parcel }
    parcels.append(0)
    let sendShards = Self.shards(sendCounts)
    let receiveShards = Self.shards(receiveCounts)
    let total = receiveCounts.reduce(0, +)
    let arrived = try Self.bytes(total + 1) { (buffer) throws(TregError) in
      try withShards(sendShards, count: parcels.count) { (sendCuts) throws(TregError) in
        try withShards(receiveShards, count: total) { (receiveCuts) throws(TregError) in
          try parcels.withUnsafeBufferPointer { (parcels) throws(TregError) in
            try call { table, error in
              table.all_to_all_bytes(
                parcels.baseAddress!, sendCuts, buffer.baseAddress!, receiveCuts, Int64(pieceBytes), error)
            }
          }
        }
      }
      buffer[total] = 0
    }
    return receiveShards.map { Array(arrived[$0]) }
  }

  /// Ranges that follow each other, of these lengths.
  private static func shards(_ counts: [Int]) -> [Range<Int>] {
    var end = 0
    return counts.map { count in
      defer { end += count }
      return end..<end + count
    }
  }

  /// An array that `body` fills whole.
  private static func bytes(
    _ count: Int, _ body: (UnsafeMutableBufferPointer<UInt8>) throws(TregError) -> Void
  ) throws(TregError) -> [UInt8] {
    var array = [UInt8](repeating: 0, count: count)
    try array.withUnsafeMutableBufferPointer { (buffer) throws(TregError) in try body(buffer) }
    return array
  }
}
