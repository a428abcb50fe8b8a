import Glibc
import RunFolder

/// A fresh folder that is removed with its content when the test ends.
final class TemporaryFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/treg-tests-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw TregError.cannotCreate(at: "/tmp", "no temporary folder") }
    path = String(cString: made)
  }

  deinit {
    try? FileSystem.remove(path)
  }

  func callAsFunction(_ name: String) -> String { FileSystem.join(path, name) }
}

/// The error that `body` throws, or nil.
func failure(_ body: () throws -> Void) -> TregError? {
  do {
    try body()
    return nil
  } catch {
    return error as? TregError
  }
}

func symlinked(_ target: String, at path: String) -> Bool { symlink(target, path) == 0 }
