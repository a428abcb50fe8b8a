import Collectives
import RunFolder
import Testing

/// A communicator of one rank: every collective is the identity and nothing is loaded.
@Suite struct SoloTests {
  @Test func connectsWithoutAnyMPI() throws {
    let ranks = try Communicator.connect(environment: ["TREG_CMPI": "/nowhere/libcmpi.so", "TREG_MPI": "openmpi"])
    #expect(ranks.rank == 0 && ranks.size == 1 && ranks.implementation == "solo")
    #expect(!ranks.hostName.isEmpty)
    try ranks.barrier()
    try ranks.finalize()
  }

  @Test func collectivesChangeNothing() throws {
    let ranks = Communicator.solo()
    var values: [Float] = [1, -2, 3]
    try ranks.sum(&values)
    try ranks.minimum(&values)
    try ranks.maximum(&values)
    try values.withUnsafeMutableBufferPointer { buffer in
      try ranks.reduceScatter(buffer, shards: [0..<3])
      try ranks.allGather(buffer, shards: [0..<3])
      try ranks.broadcast(buffer)
      let pending = try ranks.startSum(buffer)
      #expect(try pending.test())
      try pending.wait()
    }
    #expect(values == [1, -2, 3])
    var count = 7
    try ranks.sum(&count)
    #expect(count == 7)
    #expect(try ranks.exchange([[1, 2]]) == [[1, 2]])
    #expect(try ranks.allGather(bytes: [5]) == [[5]])
    #expect(try ranks.broadcast(bytes: [6, 7]) == [6, 7])
  }

  @Test func wrongNumberOfShardsTraps() async {
    await #expect(processExitsWith: .failure) {
      var values: [Float] = [1]
      try values.withUnsafeMutableBufferPointer { try Communicator.solo().allGather($0, shards: [0..<1, 1..<1]) }
    }
  }

  @Test func aShardOutsideTheBufferTraps() async {
    await #expect(processExitsWith: .failure) {
      var values: [Float] = [1]
      try values.withUnsafeMutableBufferPointer { try Communicator.solo().reduceScatter($0, shards: [0..<2]) }
    }
  }
}
