import Collectives
import Foundation

/// Compares collectives with what every rank can compute on its own: values depend on rank, index and salt alone.
struct Checks {
  let ranks: Communicator
  let pieceBytes: Int
  private(set) var count = 0
  private(set) var failures = 0

  init(_ ranks: Communicator, pieceBytes: Int) {
    self.ranks = ranks
    self.pieceBytes = pieceBytes
  }

  /// Lengths around nothing, one cache line and several pieces.
  var lengths: [Int] { [0, 1, 7, 16, pieceBytes / 4 * 3 + 5] }

  mutating func expect(_ condition: Bool, _ what: @autoclosure () -> String) {
    count += 1
    guard !condition else { return }
    failures += 1
    FileHandle.standardError.write(Data("rank \(ranks.rank) of \(ranks.size): \(what())\n".utf8))
  }

  /// 64 well-mixed bits (SplitMix64's finaliser).
  static func bits(_ rank: Int, _ index: Int, _ salt: Int) -> UInt64 {
    var z = UInt64(truncatingIfNeeded: rank &* 7_919 &+ index &* 104_729 &+ salt &* 15_485_863) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  static func float(_ rank: Int, _ index: Int, _ salt: Int) -> Float {
    Float(Int64(bitPattern: bits(rank, index, salt)) >> 40) / 8_388_608
  }

  static func double(_ rank: Int, _ index: Int, _ salt: Int) -> Double {
    Double(Int64(bitPattern: bits(rank, index, salt)) >> 11) / 4_503_599_627_370_496
  }

  /// Large enough that a detour through 32 bits or a double would show.
  static func integer(_ rank: Int, _ index: Int, _ salt: Int) -> Int64 {
    Int64(bitPattern: bits(rank, index, salt)) >> 6
  }

  mutating func reductions() throws {
    for length in lengths {
      try reduce(length, Self.float, tolerance: 1e-6 * Double(ranks.size), "Float")
      try reduce(length, Self.double, tolerance: 1e-15 * Double(ranks.size), "Double")
      try reduceIntegers(length)
    }
    var scalar = Int(Self.integer(ranks.rank, 0, 9))
    try ranks.sum(&scalar)
    expect(scalar == (0..<ranks.size).reduce(0) { $0 + Int(Self.integer($1, 0, 9)) }, "sum of an Int")
    var least = Float(ranks.rank) - 3.5
    try ranks.minimum(&least)
    expect(least == -3.5, "minimum of a Float")
    var most = Double(ranks.rank)
    try ranks.maximum(&most)
    expect(most == Double(ranks.size - 1), "maximum of a Double")
  }

  private mutating func reduce<Element: CollectiveElement & BinaryFloatingPoint>(
    _ length: Int, _ value: (Int, Int, Int) -> Element, tolerance: Double, _ name: String
  ) throws {
    let own = (0..<length).map { value(ranks.rank, $0, length) }
    var sum = own
    var minimum = own
    var maximum = own
    try ranks.sum(&sum)
    try ranks.minimum(&minimum)
    try ranks.maximum(&maximum)
    var worst = 0.0
    var extremesAgree = true
    for index in 0..<length {
      let all = (0..<ranks.size).map { value($0, index, length) }
      worst = max(worst, abs(Double(sum[index]) - all.reduce(0) { $0 + Double($1) }))
      extremesAgree = extremesAgree && minimum[index] == all.min()! && maximum[index] == all.max()!
    }
    expect(worst <= tolerance, "sum of \(length) \(name): off by \(worst)")
    expect(extremesAgree, "minimum or maximum of \(length) \(name)")
  }

  private mutating func reduceIntegers(_ length: Int) throws {
    let own = (0..<length).map { Self.integer(ranks.rank, $0, length) }
    var sum = own
    var minimum = own
    var maximum = own
    try ranks.sum(&sum)
    try ranks.minimum(&minimum)
    try ranks.maximum(&maximum)
    var agree = true
    for index in 0..<length {
      let all = (0..<ranks.size).map { Self.integer($0, index, length) }
      agree =
        agree && sum[index] == all.reduce(0, &+) && minimum[index] == all.min()! && maximum[index] == all.max()!
    }
    expect(agree, "reductions of \(length) Int64")
  }

  /// A sum gives the same bits twice, and on every rank.
  mutating func repeatability() throws {
    let own = (0..<pieceBytes / 2 + 3).map { Self.float(ranks.rank, $0, 3) }
    let shards = ShardLayout(count: own.count, ranks: ranks.size).shards
    var sums: [[Float]] = []
    var scattered: [ArraySlice<Float>] = []
    for _ in 0..<3 {
      var sum = own
      try ranks.sum(&sum)
      sums.append(sum)
      var shared = own
      try shared.withUnsafeMutableBufferPointer { try ranks.reduceScatter($0, shards: shards) }
      scattered.append(shared[shards[ranks.rank]])
    }
    expect(sums[0] == sums[1] && sums[1] == sums[2], "sum: other bits the second time")
    expect(scattered[0] == scattered[1] && scattered[1] == scattered[2], "reduceScatter: other bits the second time")
    let everywhere = try ranks.allGather(bytes: sums[0].withUnsafeBytes { Array($0) })
    expect(everywhere.allSatisfy { $0 == everywhere[0] }, "sum: other bits on another rank")
  }

  mutating func pendingSums() throws {
    let lengths = [pieceBytes / 4 * 2 + 3, 0, 11]
    var blocking = lengths.map { length in (0..<length).map { Self.float(ranks.rank, $0, length) } }
    let buffers = blocking.map { values in
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
      _ = buffer.initialize(from: values)
      return buffer
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    let pending = try buffers.map { try ranks.startSum($0) }
    while try !pending[0].test() {}
    expect(try pending[0].test(), "a finished sum is finished no more")
    for one in pending { try one.wait() }
    for index in lengths.indices {
      try ranks.sum(&blocking[index])
      let off = zip(buffers[index], blocking[index]).map { abs($0 - $1) }.max() ?? 0
      expect(off <= 1e-6 * Float(ranks.size), "startSum of \(lengths[index]): off by \(off)")
    }
  }
}
