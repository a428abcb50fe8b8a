import Glibc

/// Names of unfinished files and folders: `.NAME.HOST.PID.N.unfinished` beside the target.
///
/// The name tells who is writing, so that what a killed process left behind can be cleared away without
/// touching what a living one is about to finish.
enum TemporaryName {
  private static let suffix = ".unfinished"

  /// Tries names until `make` succeeds (a result of at least 0).
  ///
  /// - Parameter operation: what is done to the target, for errors.
  /// - Returns: the path and what `make` returned.
  static func create(
    beside target: String, _ operation: FileSystem.Operation = .creating, _ make: (String) -> Int32
  ) throws -> (path: String, result: Int32) {
    let folder = FileSystem.parent(of: target)
    let stem = ".\(FileSystem.name(of: target)).\(host).\(getpid())."
    for attempt in 0..<10_000 {
      let path = FileSystem.join(folder, stem + String(attempt) + suffix)
      let result = Pulse.atFile { make(path) }
      if result >= 0 { return (path, result) }
      if errno != EEXIST { throw FileSystem.error(errno, operation, target) }
    }
    throw TregError.cannotCreate(at: target, "too many unfinished files of this name lie beside it")
  }

  /// This machine's name, with dots replaced: they part the fields of a temporary name.
  private static var host: String {
    String(Machine.hostName.map { $0 == "." || $0 == "/" ? "-" : $0 })
  }

  /// The name that an unfinished file or folder was to get; nil for any other name.
  static func target(of name: String) -> String? {
    guard name.hasPrefix("."), name.hasSuffix(suffix) else { return nil }
    let fields = name.dropFirst().dropLast(suffix.count).split(separator: ".", omittingEmptySubsequences: false)
    return fields.count >= 4 ? fields.dropLast(3).joined(separator: ".") : nil
  }

  /// Whether `name` was left behind by a process of this machine that has ended.
  static func isAbandoned(_ name: String) -> Bool {
    guard name.hasPrefix("."), name.hasSuffix(suffix) else { return false }
    let fields = name.dropLast(suffix.count).split(separator: ".", omittingEmptySubsequences: false)
    guard fields.count >= 5, let process = pid_t(fields[fields.count - 2]), process > 0 else { return false }
    guard fields[fields.count - 3] == host else { return false }
    return !Machine.isAlive(process)
  }
}
