import Dispatch
import Glibc
import OrderedJSON
import RunFolder
import Synchronization

/// Where the tokens of data files are kept between runs.
///
/// Files are named by a hash of all that decides what is in them: the bytes of the data files and their order, the
/// tokenizer, the chat template, the limits, what happens to bad rows, and the program itself. So nothing in there can be
/// stale, and a file that was moved is known again. What is damaged is found by its hash and made anew. Of several processes that need the same
/// tokens the first makes them, and the others of the same file system wait for it; every file takes its name whole.
/// Files that were not used for 30 days are removed.
///
/// The folder is `TREG_CACHE`, else `treg` in `XDG_CACHE_HOME` or in `~/.cache`. When it cannot be written, or when `TREG_CACHE` is `off`, tokens
/// live as long as the process, in a file without a name in `TMPDIR`.
package struct TokenCache: Sendable {
  /// nil: tokens are not kept.
  let folder: String?
  private let temporaryFolder: String

  package init(environment: [String: String]) {
    func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    temporaryFolder = value("TMPDIR") ?? "/tmp"
    let home = value("XDG_CACHE_HOME") ?? value("HOME").map { FileSystem.join($0, ".cache") }
    let named = value("TREG_CACHE")
    folder = named == "off" ? nil : named ?? home.map { FileSystem.join($0, "treg") }
  }

  /// The pairs of some files, read from the cache or made now.
  ///
  /// - Parameters:
  ///   - paths: files, as ``DataFiles`` finds them.
  ///   - progress: called now and then with the number of rows that are through while pairs are made.
  /// - Throws: 65 for what cannot be used, at the row's place; what reading and writing files throw.
  package func pairs(
    of paths: [String], tokenizer: PairTokenizer, badRows: BadRows, threads: Int,
    progress: @escaping (Int) -> Void = { _ in }
  ) throws -> TokenizedPairs {
    let work = Work(paths: paths, tokenizer: tokenizer, badRows: badRows, threads: threads, progress: progress)
    guard let folder, let identity = tokenizer.identity, isWritable(folder) else {
      return try work.unnamed(in: temporaryFolder)
    }
    let states = try paths.map(FileState.init)
    let key = try Self.key(paths, identity: identity, limits: tokenizer.limits, badRows: badRows, threads: threads)
    let path = FileSystem.join(folder, "tokens-\(key).bin")
    if let found = try work.open(path, key: key) { return found }
    let lock = Lock(FileSystem.join(folder, "tokens-\(key).lock"))
    defer { lock.release() }
    // Another process may have made it meanwhile.
    if let found = try work.open(path, key: key) { return found }
    try work.write(to: path, key: key)
    guard try paths.map(FileState.init) == states else {
      try FileSystem.remove(path)
      throw TregError.inputOutput(at: paths.joined(separator: ", "), "changed while it was read")
    }
    removeUnused(in: folder)
    return try work.pairs(of: TokenFile(path, key: key, paths: paths, checksAll: false))
  }

  private func isWritable(_ folder: String) -> Bool {
    (try? FileSystem.createFolder(folder)) != nil && Pulse.atFile { access(folder, W_OK | X_OK) } == 0
  }

  /// What is older than 30 days, by its last use.
  private func removeUnused(in folder: String) {
    let limit = time(nil) - 30 * 86400
    _ = try? FileSystem.removeLeftovers(in: folder)
    for name in (try? FileSystem.contents(ofFolder: folder)) ?? [] where name.hasPrefix("tokens-") {
      let path = FileSystem.join(folder, name)
      var status = stat()
      if Pulse.atFile({ lstat(path, &status) }) == 0, status.st_mtim.tv_sec < limit {
        _ = Pulse.atFile { unlink(path) }
      }
    }
  }

  /// - Parameter threads: as many files are hashed at a time.
  static func key(
    _ paths: [String], identity: String, limits: LengthLimits, badRows: BadRows, threads: Int
  ) throws -> String {
    let hashes = Mutex([Result<String, any Error>](repeating: .success(""), count: paths.count))
    let next = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: max(1, min(threads, paths.count))) { _ in
      while true {
        let file = next.add(1, ordering: .relaxed).oldValue
        guard file < paths.count else { return }
        let hash = Result { try ContentHash.ofFile(paths[file]) }
        hashes.withLock { $0[file] = hash }
      }
    }
    let facts: JSONValue = [
      // The code that reads rows and makes tokens is a part of what they depend on.
      "program": .string((try? ContentHash.ofFile("/proc/self/exe")) ?? "unknown"),
      "tokenizer": .string(identity), "max_length": limits.maxLength.map { .integer($0) } ?? nil,
      "max_prompt_length": limits.maxPromptLength.map { .integer($0) } ?? nil, "bad_rows": .string(badRows.rawValue),
      "files": .array(try hashes.withLock { $0 }.map { .string(try $0.get()) }),
    ]
    return ContentHash.of(facts.text())
  }
}

/// What tells that a file was written to.
private struct FileState: Equatable {
  let size: Int
  let seconds: Int
  let nanoseconds: Int

  init(_ path: String) throws {
    var status = stat()
    guard Pulse.atFile({ stat(path, &status) }) == 0 else { throw FileSystem.error(errno, .reading, path) }
    size = Int(status.st_size)
    seconds = status.st_mtim.tv_sec
    nanoseconds = status.st_mtim.tv_nsec
  }
}

/// Waits its turn; where files cannot be locked, everybody has it.
private struct Lock {
  private let descriptor: Int32
  private let path: String

  init(_ path: String) {
    self.path = path
    descriptor = Pulse.atFile { open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666) }
    guard descriptor >= 0 else { return }
    // Whoever has it is watched itself: waiting for it is no standstill.
    while Pulse.atFile({ flock(descriptor, LOCK_EX | LOCK_NB) }) != 0, errno == EINTR || errno == EWOULDBLOCK {
      usleep(20_000)
    }
  }

  func release() {
    guard descriptor >= 0 else { return }
    // Those who wait have it open; who comes later finds the tokens.
    unlink(path)
    close(descriptor)
  }
}

private struct Work {
  let paths: [String]
  let tokenizer: PairTokenizer
  let badRows: BadRows
  let threads: Int
  let progress: (Int) -> Void

  func pairs(of file: TokenFile) -> TokenizedPairs {
    TokenizedPairs(pairs: PairList(file), readCount: file.readCount, skipped: file.skipped)
  }

  /// nil: there is none, or it cannot be used.
  func open(_ path: String, key: String) throws -> TokenizedPairs? {
    guard FileSystem.kind(of: path) == .file else { return nil }
    guard let file = try? TokenFile(path, key: key, paths: paths, checksAll: true) else {
      try FileSystem.remove(path)
      return nil
    }
    _ = Pulse.atFile { utimensat(AT_FDCWD, path, nil, 0) }
    return pairs(of: file)
  }

  /// Makes the file.
  func write(to path: String, key: String) throws {
    try AtomicFile.write(to: path) { file in
      var writer = TokenFile.Writer()
      try writer.begin(&file)
      let passed = try tokenizer.forEachPair(
        of: RowStream(paths), badRows: badRows, threads: threads, isRecorded: true, progress: progress
      ) { try writer.append($0.pair, record: $0.record, to: &file) }
      try passed.requirePairs(at: paths.joined(separator: ", "))
      try writer.finish(key: key, readCount: passed.readCount, skipped: passed.skipped, paths: paths, to: &file)
    }
  }

  /// In a file that ends with the process.
  func unnamed(in folder: String) throws -> TokenizedPairs {
    let path = FileSystem.join(folder, "treg-tokens-\(getpid())-\(UInt64.random(in: .min ... .max))")
    defer { unlink(path) }
    try write(to: path, key: "")
    return pairs(of: try TokenFile(path, key: "", paths: paths, checksAll: false))
  }
}
