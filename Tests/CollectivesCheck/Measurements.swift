import Collectives
import RunFolder

extension CollectivesCheck {
  /// Best of five of each operation over one buffer of fp32.
  static func measureSpeed(_ ranks: Communicator, mebibytes: Int) throws {
    let count = mebibytes << 18
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    buffer.initialize(repeating: 1)
    defer { buffer.deallocate() }
    let shards = ShardLayout(count: count, ranks: ranks.size).shards
    let operations: [(String, () throws -> Void)] = [
      ("sum", { try ranks.sum(buffer) }),
      ("startSum, wait", { try ranks.startSum(buffer).wait() }),
      ("reduceScatter", { try ranks.reduceScatter(buffer, shards: shards) }),
      ("allGather", { try ranks.allGather(buffer, shards: shards) }),
      ("broadcast", { try ranks.broadcast(buffer) }),
    ]
    for (name, operation) in operations {
      var best = Duration.seconds(1_000)
      for _ in 0..<5 {
        // Sums of ones stay exact and finite.
        buffer.update(repeating: 1)
        try ranks.barrier()
        let time = try ContinuousClock().measure {
          try operation()
          try ranks.barrier()
        }
        best = min(best, time)
      }
      if ranks.rank == 0 {
        let seconds = Double(best.components.attoseconds) * 1e-18 + Double(best.components.seconds)
        let rate = Double(count * 4) / seconds / 1e9
        print("\(name): \(mebibytes) MiB in \((seconds * 1e4).rounded() / 1e4) s, \((rate * 100).rounded() / 100) GB/s")
      }
    }
  }

  /// Bytes, elements and offsets that 32 bits cannot count.
  static func checkLargeCounts(_ ranks: Communicator) throws {
    let count = 1 << 31 + 4_099
    let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: count)
    defer { bytes.deallocate() }
    bytes.initialize(repeating: UInt8(ranks.rank + 1))
    let half = count / 2
    let shards = (0..<ranks.size).map { $0 == 0 ? half..<count : $0 == 1 ? 0..<half : 0..<0 }
    try ranks.allGather(bytes, shards: shards)
    var right = bytes[half] == 1 && bytes[count - 1] == 1 && bytes[0] == 2 && bytes[half - 1] == 2
    bytes.update(repeating: UInt8(ranks.rank + 1))
    try ranks.broadcast(bytes, from: 1)
    right = right && bytes.allSatisfy { $0 == 2 }

    let floats = UnsafeMutableRawBufferPointer(bytes).bindMemory(to: Float.self)
    floats.update(repeating: Float(ranks.rank + 1))
    try ranks.sum(floats)
    let sum = Float(ranks.size * (ranks.size + 1) / 2)
    right = right && floats.allSatisfy { $0 == sum }
    guard right else { throw TregError(.bug, "rank \(ranks.rank): wrong values beyond 2^31 bytes") }
    if ranks.rank == 0 { print("passed with \(count) bytes") }
  }
}
