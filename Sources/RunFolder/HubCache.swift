/// The folder in which `huggingface_hub` keeps what it has downloaded.
package struct HubCache: Sendable {
  /// What is kept, by the first word of its folder.
  package enum Kind: String, Sendable {
    case model = "models"
    case dataSet = "datasets"
  }

  /// `~/.cache/huggingface/hub`, unless the environment names another place.
  package let root: String

  /// The variables that `huggingface_hub` reads, in its order.
  package init(environment: [String: String]) {
    func value(_ name: String) -> String? {
      guard let value = environment[name], !value.isEmpty else { return nil }
      return value.hasPrefix("~/") ? FileSystem.join(environment["HOME"] ?? "/", String(value.dropFirst(2))) : value
    }
    if let hub = value("HF_HUB_CACHE") ?? value("HUGGINGFACE_HUB_CACHE") {
      root = hub
    } else if let home = value("HF_HOME") {
      root = FileSystem.join(home, "hub")
    } else {
      let cache = value("XDG_CACHE_HOME") ?? FileSystem.join(environment["HOME"] ?? "/", ".cache")
      root = FileSystem.join(cache, "huggingface/hub")
    }
  }

  /// Whether a text can be a name on the hub: one or two parts of letters, digits, `-`, `_` and `.`.
  package static func isName(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    return (1...2).contains(parts.count)
      && parts.allSatisfy { part in
        !part.isEmpty && part.first != "." && part.count <= 96
          && part.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
              UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
              true
            default: false
            }
          }
      }
  }

  /// The folder that holds all versions.
  package func place(of name: String, _ kind: Kind) -> String {
    FileSystem.join(root, kind.rawValue + "--" + name.split(separator: "/").joined(separator: "--"))
  }

  /// The snapshot of `main`, or the only one; nil when nothing of this name is there.
  package func folder(of name: String, _ kind: Kind) throws -> String? {
    let place = place(of: name, kind)
    guard Self.isName(name), FileSystem.kind(of: place) == .folder else { return nil }
    let snapshots = FileSystem.join(place, "snapshots")
    let reference = FileSystem.join(place, "refs/main")
    if FileSystem.kind(of: reference) == .file {
      let text = try FileSystem.readText(reference, maximumCount: 1 << 12)
      let revision = String(text.prefix { $0.isLetter || $0.isNumber })
      let folder = FileSystem.join(snapshots, revision)
      guard !revision.isEmpty, FileSystem.kind(of: folder) == .folder else {
        throw TregError.missing(at: folder, "no such folder, but \(reference) names it")
      }
      return folder
    }
    guard FileSystem.kind(of: snapshots) == .folder else { return nil }
    let revisions = try FileSystem.contents(ofFolder: snapshots)
    guard revisions.count <= 1 else {
      throw TregError.missing(
        at: snapshots, "holds \(revisions.count) versions and no refs/main; name one of their folders")
    }
    return revisions.first.map { FileSystem.join(snapshots, $0) }
  }
}
