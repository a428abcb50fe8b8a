import RunFolder
import Testing

@Suite struct RunLayoutTests {
  @Test func namesThePathsUsersRelyOn() {
    let layout = RunLayout("runs/first")
    #expect(layout.configuration == "runs/first/run/config.yaml")
    #expect(layout.metrics == "runs/first/run/metrics.jsonl")
    #expect(layout.log(rank: 7) == "runs/first/run/logs/rank-00007.log")
    #expect(layout.error(rank: 123_456) == "runs/first/run/errors/rank-123456.json")
    #expect(layout.checkpoint(step: 100) == "runs/first/checkpoint-100")
    #expect(layout.relative(layout.error(rank: 7)) == "run/errors/rank-00007.json")
  }

  @Test func aFolderWithContentNeedsAWord() throws {
    let folder = try TemporaryFolder()
    let layout = RunLayout(folder("out"))
    try layout.prepare(.fresh).release()
    // What a refused start leaves does not stand in the way of the next.
    try AtomicFile.write("x", to: layout.launchLog)
    try layout.prepare(.fresh).release()
    try AtomicFile.write("x", to: layout.metrics)
    let error = failure { try layout.check(.fresh) }
    #expect(error?.exitCode == .cannotCreate)
    #expect(error?.message.contains("run/metrics.jsonl") == true && error?.message.contains("--resume") == true)
    try layout.check(.resume)
    try layout.check(.overwrite)
  }

  @Test func overwritingRemovesResultsOnly() throws {
    let folder = try TemporaryFolder()
    let layout = RunLayout(folder.path)
    for name in ["config.json", "model-00001-of-00002.safetensors", "diary.txt"] {
      try AtomicFile.write("x", to: folder(name))
    }
    for name in ["checkpoint-5/state", "checkpoint-old", "rewards", "run/errors"] {
      try FileSystem.createFolder(folder(name))
    }
    for path in [layout.metrics, layout.stop, layout.error(rank: 0)] { try AtomicFile.write("x", to: path) }
    try layout.prepare(.overwrite).release()
    #expect(try FileSystem.contents(ofFolder: folder.path) == ["checkpoint-old", "diary.txt", "rewards", "run"])
    #expect(try FileSystem.contents(ofFolder: layout.run) == ["errors", "lock", "logs", "ranks"])
    #expect(try FileSystem.contents(ofFolder: layout.errors) == [])
  }

  @Test func listsCheckpointsByStep() throws {
    let folder = try TemporaryFolder()
    for name in ["checkpoint-100", "checkpoint-20", "checkpoint-020", "checkpoint-x"] {
      try FileSystem.createFolder(folder(name))
    }
    #expect(try RunLayout(folder.path).checkpoints().map(\.step) == [20, 100])
  }

  /// Whoever has the lock is the only one to write results, so what others began is nobody's, whatever their host.
  @Test func whatOthersDidNotFinishIsCleared() throws {
    let folder = try TemporaryFolder()
    let layout = RunLayout(folder.path)
    let own = Machine.processIdentifier
    for name in [
      ".checkpoint-7.other-host.12.0.unfinished/state", ".checkpoint-8.\(Machine.hostName).\(own).0.unfinished", "run",
    ] {
      try FileSystem.createFolder(folder(name))
    }
    for name in [
      ".model.safetensors.other-host.12.0.unfinished", ".diary.txt.other-host.12.0.unfinished", "run/.seen-12-345-0",
    ] {
      try AtomicFile.write("x", to: folder(name))
    }
    try layout.prepare(.resume).release()
    #expect(
      try FileSystem.contents(ofFolder: folder.path) == [".diary.txt.other-host.12.0.unfinished", "run"])
    #expect(try FileSystem.contents(ofFolder: layout.run) == ["errors", "lock", "logs", "ranks"])
  }

  @Test func theSecondTrainerIsRefused() throws {
    let folder = try TemporaryFolder()
    let layout = RunLayout(folder.path)
    let lock = try layout.prepare(.fresh)
    let error = failure { _ = try layout.prepare(.fresh) }
    #expect(error?.exitCode == .cannotCreate)
    #expect(error?.message.contains("process \(Machine.processIdentifier) on \(Machine.hostName)") == true)
    lock.release()
    try layout.prepare(.fresh).release()
  }
}
