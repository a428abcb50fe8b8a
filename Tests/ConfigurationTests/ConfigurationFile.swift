import Configuration
import Glibc
import RunFolder

/// Parses `yaml` as the file `dpo.yaml` of a fresh folder, whose path is taken out of messages.
func parse(_ yaml: String?, _ flags: [String] = [], requiring: [String] = []) throws -> RunConfiguration.Parsed {
  guard let yaml else { return try RunConfiguration.parse(file: nil, flags: flags, requiring: requiring) }
  var template = Array("/tmp/treg-tests-XXXXXX".utf8CString)
  guard let made = mkdtemp(&template) else { throw TregError.cannotCreate(at: "/tmp", "no temporary folder") }
  let folder = String(cString: made)
  defer { try? FileSystem.remove(folder) }
  let file = FileSystem.join(folder, "dpo.yaml")
  try AtomicFile.write(yaml, to: file)
  do {
    return try RunConfiguration.parse(file: file, flags: flags, requiring: requiring)
  } catch let error as TregError {
    let place = error.place?.replacing(folder + "/", with: "")
    throw TregError(error.exitCode, at: place, error.message)
  }
}

/// The code and the line that users see when parsing fails.
func failure(_ yaml: String?, _ flags: [String] = [], requiring: [String] = []) -> (code: ExitCode?, line: String) {
  do {
    _ = try parse(yaml, flags, requiring: requiring)
    return (nil, "")
  } catch {
    return ((error as? TregError)?.exitCode, String(describing: error))
  }
}
