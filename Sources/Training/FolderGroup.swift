import Collectives
import RunFolder

/// Ranks that see the same run folder. On a cluster with a shared file system that is all of them; where every node has
/// a disk of its own, each node is a group. The group's lowest rank leads: it locks, creates and renames for the others.
struct FolderGroup: Sendable {
  let layout: RunLayout
  let leader: Int
  let rank: Int
  /// The ranks of the group, ascending.
  let members: [Int]

  var leads: Bool { leader == rank }

  /// Collective. Creates the run folder if need be and finds out who shares it, by marks with a name of this run's own.
  static func find(_ layout: RunLayout, communicator: Communicator) throws -> FolderGroup {
    let name = try communicator.runName()
    func mark(_ rank: Int) -> String { FileSystem.join(layout.run, RunLayout.markPrefix + "\(name)-\(rank)") }
    try communicator.agree {
      try FileSystem.createFolder(layout.run)
      try AtomicFile.write("", to: mark(communicator.rank))
    }
    let leader = try communicator.agree {
      (0...communicator.rank).first { FileSystem.kind(of: mark($0)) == .file } ?? communicator.rank
    }
    // Nobody takes a mark away before all have looked, which the agreement above saw to; and nobody goes on before all
    // marks are gone, for they would count as content of a folder that should be empty.
    try communicator.agree { try FileSystem.remove(mark(communicator.rank)) }
    let leaders = try communicator.allGather(bytes: Array("\(leader)".utf8)).map {
      Int(String(decoding: $0, as: UTF8.self))
    }
    return FolderGroup(
      layout: layout, leader: leader, rank: communicator.rank,
      members: leaders.indices.filter { leaders[$0] == leader })
  }
}
