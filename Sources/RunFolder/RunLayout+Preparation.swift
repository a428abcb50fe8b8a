import Glibc

extension RunLayout {
  /// What a run does with a folder that is not empty.
  package enum Start: Sendable, Equatable {
    /// Refuse it.
    case fresh
    /// Go on from what it holds.
    case resume
    /// Remove what an earlier run wrote, and nothing else. Rewards stay: they are checked by hash before use.
    case overwrite
  }

  /// Refuses a folder that is not empty and belongs to neither `--resume` nor `--overwrite`. Nothing is written.
  ///
  /// What the launcher or a refused start leaves (lock, logs, errors) does not count as content.
  ///
  /// - Throws: ``TregError`` 73.
  package func check(_ start: Start) throws {
    switch FileSystem.kind(of: root) {
    case nil: return
    case .folder: break
    case .file, .other: throw TregError.cannotCreate(at: root, "cannot create the folder: a file has that name")
    }
    guard start == .fresh, let found = try firstContent() else { return }
    throw TregError.cannotCreate(
      at: root, "the folder is not empty (\(found)); add --resume to go on with it or --overwrite to replace it")
  }

  /// Checks the folder, creates what a run needs and takes its lock; then clears what earlier runs left:
  /// unfinished files, the stop file, and with `overwrite` their results.
  ///
  /// - Throws: ``TregError``: 73 when the folder cannot be had, 77 without permission.
  package func prepare(_ start: Start) throws -> FolderLock {
    try check(start)
    for folder in [root, run, logs, errors, heartbeats] { try FileSystem.createFolder(folder) }
    let lock = try FolderLock(lock)
    do {
      // Another run may have begun between the check and the lock, and ended before it.
      try check(start)
      for folder in [root, run, logs, errors] { try FileSystem.removeLeftovers(in: folder) }
      try removeUnfinishedResults()
      try FileSystem.remove(stop)
      for folder in [errors, heartbeats] {
        for name in try FileSystem.contents(ofFolder: folder) { try FileSystem.remove(FileSystem.join(folder, name)) }
      }
      if start == .overwrite { try removeResults() }
      return lock
    } catch {
      lock.release()
      throw error
    }
  }

  /// Removes what other processes, of whatever host, have begun of a run's results and did not finish, and the marks by
  /// which ranks look for each other. Who holds the lock is the only one to write them, and has not begun.
  private func removeUnfinishedResults() throws {
    for name in try FileSystem.contents(ofFolder: root) where TemporaryName.target(of: name).map(Self.isResult) == true
    {
      try FileSystem.remove(FileSystem.join(root, name))
    }
    for name in try FileSystem.contents(ofFolder: run) where name.hasPrefix(Self.markPrefix) {
      try FileSystem.remove(FileSystem.join(run, name))
    }
  }

  private func firstContent() throws -> String? {
    let besides: Set = ["run"]
    if let name = try FileSystem.contents(ofFolder: root).first(where: { !besides.contains($0) }) { return name }
    guard FileSystem.kind(of: run) == .folder else { return nil }
    let passing: Set = ["job.sbatch", "launch.json", "lock", "stop", "logs", "errors", "ranks"]
    // Hidden files are what a killed process left unfinished.
    return try FileSystem.contents(ofFolder: run).first { !passing.contains($0) && !$0.hasPrefix(".") }.map {
      "run/" + $0
    }
  }

  /// Removes the files that a run writes. What else users keep in the folder is left alone: `--out ~` with
  /// `--overwrite` must cost nobody a home.
  private func removeResults() throws {
    for name in try FileSystem.contents(ofFolder: root) where Self.isResult(name) {
      try FileSystem.remove(FileSystem.join(root, name))
    }
    for path in [configuration, facts, status, metrics, skipped, best] { try FileSystem.remove(path) }
  }

  private static let resultNames: Set = [
    "config.json", "adapter_config.json", "adapter_model.safetensors", "generation_config.json",
    "model.safetensors.index.json", "tokenizer.json", "tokenizer.model",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "chat_template.jinja", "chat_template.json",
  ]

  private static func isResult(_ name: String) -> Bool {
    if resultNames.contains(name) || step(ofCheckpoint: name) != nil { return true }
    return name.hasPrefix("model") && name.hasSuffix(".safetensors")
  }
}
