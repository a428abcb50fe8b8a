import Collectives
import Compute
import OrderedJSON
import Reporting

/// Bytes per second of the collectives that a training step uses, beside a plain copy in memory.
package struct CollectiveBenchmark {
  /// One collective at one size.
  package struct Measurement: Sendable {
    package let name: String
    /// Bytes of the buffer on one rank.
    package let bytes: Int
    /// Of the fastest repeat.
    package let seconds: Double
    /// Where memory alone bounds it: the time that this would take as a copy of the bytes that have to be read and
    /// written, all ranks copying at once.
    package var boundSeconds: Double?

    package var gigabytesPerSecond: Double { Double(bytes) / max(seconds, 1e-9) / 1e9 }
  }

  private let communicator: Communicator
  private let sizes: [Int]
  private let repeats: Int

  /// - Parameter sizes: bytes of the buffer, each a multiple of 4.
  package init(_ communicator: Communicator, sizes: [Int] = [1 << 20, 1 << 24, 1 << 28], repeats: Int = 5) {
    self.communicator = communicator
    self.sizes = sizes
    self.repeats = repeats
  }

  /// Collective.
  package func run() throws -> [Measurement] {
    var measurements: [Measurement] = []
    for bytes in sizes {
      let count = bytes / MemoryLayout<Float>.stride
      let buffer = FloatBuffer(count: count)
      let other = FloatBuffer(count: count)
      // Pages that nobody wrote are all one page of zeros, which a copy would read from the cache.
      buffer.all.update(repeating: 1)
      other.all.update(repeating: 1)
      let shards = ShardLayout(count: count, ranks: communicator.size).shards
      func time(_ name: String, _ body: () throws -> Void) throws {
        var best = Double.infinity
        for _ in 0...repeats {
          try communicator.barrier()
          let stopwatch = Stopwatch()
          try body()
          var seconds = stopwatch.seconds
          // The slowest rank decides.
          try communicator.maximum(&seconds)
          best = min(best, seconds)
        }
        measurements.append(Measurement(name: name, bytes: bytes, seconds: best))
      }
      try time("copy") { other.copy(from: buffer) }
      let copySeconds = measurements.last!.seconds
      try time("sum") { try communicator.sum(buffer.all) }
      try time("reduceScatter") { try communicator.reduceScatter(buffer.all, shards: shards) }
      if communicator.size > 1, communicator.hostCount == 1 {
        // A rank reads as much as a buffer holds, its own strip and all others', and writes one strip; a copy reads and writes
        // a buffer.
        let share = (1 + 1 / Double(communicator.size)) / 2
        measurements[measurements.count - 1].boundSeconds = copySeconds * share
      }
      if communicator.size & (communicator.size - 1) == 0 {
        try time("treeReduceScatter") { try communicator.treeReduceScatter(buffer.all, shards: shards) }
      }
      try time("allGather") { try communicator.allGather(buffer.all, shards: shards) }
    }
    return measurements
  }
}

extension [CollectiveBenchmark.Measurement] {
  /// For people.
  package var text: String {
    var table = Table([
      ("", .left), ("size", .right), ("seconds", .right), ("GB/s", .right), ("of memory's bound", .right),
    ])
    for entry in self {
      table.append([
        entry.name, NumberFormat.bytes(entry.bytes), NumberFormat.significant(entry.seconds, digits: 3),
        NumberFormat.fixed(entry.gigabytesPerSecond, decimals: 2),
        entry.boundSeconds.map { NumberFormat.fixed($0 / entry.seconds, decimals: 2) } ?? "",
      ])
    }
    return table.text
  }

  package var json: JSONValue {
    .array(
      map { entry in
        [
          "name": .string(entry.name), "bytes": .integer(entry.bytes), "seconds": .number(entry.seconds),
          "gigabytes_per_second": .number(entry.gigabytesPerSecond),
          "bound_share": entry.boundSeconds.map { .number($0 / entry.seconds) } ?? .null,
        ]
      })
  }
}
