import OrderedJSON
import RunFolder

/// The files of a checkpoint with their sizes and hashes, `state/manifest.json`. It is written when all of them are on the
/// disk, and a checkpoint that disagrees with it is not one.
///
///     version, step
///     files     an object: each path from the checkpoint's folder with its size in bytes and XXH3-128
///     hash      XXH3-128 of the text of the same object without this member
package struct CheckpointManifest: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    package let path: String
    package let digest: FileDigest

    package init(path: String, digest: FileDigest) {
      self.path = path
      self.digest = digest
    }
  }

  private static let version = 1
  package static let name = "manifest.json"

  package let step: Int
  /// By path.
  package let entries: [Entry]

  package init(step: Int, entries: [Entry]) {
    self.step = step
    self.entries = entries.sorted { $0.path < $1.path }
  }

  package var byteCount: Int { entries.reduce(0) { $0 + $1.digest.size } }

  /// The file's text.
  package var text: String {
    var members = body
    members["hash"] = .string(ContentHash.of(JSONValue.object(body).text()))
    return JSONValue.object(members).text(.indented(2)) + "\n"
  }

  private var body: JSONObject {
    ["version": .integer(Self.version), "step": .integer(step), "files": Self.json(of: entries)]
  }

  /// - Throws: 65 when it is damaged, or of a later program.
  package init(parsing text: String, place: String) throws {
    func damaged() -> TregError { .badData(at: place, "the manifest is damaged") }
    guard let value = try? JSONValue(parsing: text), let step = value["step"]?.integer,
      let files = value["files"], let entries = Self.entries(of: files)
    else { throw damaged() }
    guard value["version"]?.integer == Self.version else {
      throw TregError.badData(
        at: place, "format version \(value["version"]?.text() ?? "unknown"); this program reads \(Self.version)")
    }
    self.init(step: step, entries: entries)
    guard value["hash"]?.string == ContentHash.of(JSONValue.object(body).text()) else { throw damaged() }
  }

  // MARK: Entries as JSON, in the file and between ranks

  package static func json(of entries: [Entry]) -> JSONValue {
    var files: JSONObject = [:]
    for entry in entries {
      files[entry.path] = ["size": .integer(entry.digest.size), "xxh3_128": .string(entry.digest.hash)]
    }
    return .object(files)
  }

  /// nil when the value is something else.
  package static func entries(of json: JSONValue) -> [Entry]? {
    guard let files = json.object else { return nil }
    let entries = files.compactMap { path, value -> Entry? in
      guard isInside(path), let size = value["size"]?.integer, let hash = value["xxh3_128"]?.string else { return nil }
      return Entry(path: path, digest: FileDigest(size: size, hash: hash))
    }
    return entries.count == files.count ? entries : nil
  }

  /// Whether a path stays inside the folder that it starts from.
  private static func isInside(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    return !path.contains("\0") && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
  }

  // MARK: Checks

  /// What is wrong with the files' sizes, in a few words; nil: nothing.
  package func wrongSize(in folder: String) -> String? {
    for entry in entries {
      let path = FileSystem.join(folder, entry.path)
      guard FileSystem.kind(of: path) == .file else { return "\(entry.path) is missing" }
      guard let size = try? FileSystem.size(of: path) else { return "\(entry.path) cannot be looked at" }
      if size != entry.digest.size { return "\(entry.path) has \(size) bytes, expected \(entry.digest.size)" }
    }
    return nil
  }

  /// What is wrong with the files' bytes; nil: nothing. Files are dealt, the largest first, to so many readers, who cover all
  /// of them together.
  package func wrongBytes(in folder: String, reader: Int = 0, of readers: Int = 1) -> String? {
    let ordered = entries.sorted { ($1.digest.size, $0.path) < ($0.digest.size, $1.path) }
    for (number, entry) in ordered.enumerated() where number % readers == reader {
      do {
        let hash = try ContentHash.ofFile(FileSystem.join(folder, entry.path))
        if hash != entry.digest.hash { return "\(entry.path) does not hold what was written: its hash differs" }
      } catch {
        return "\(entry.path) cannot be read: \((error as? TregError)?.message ?? "\(error)")"
      }
    }
    return nil
  }
}
