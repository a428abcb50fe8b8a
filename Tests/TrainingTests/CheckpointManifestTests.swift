import Foundation
import FuzzSupport
import RunFolder
import Testing
import Training

/// A folder's files against their sizes and hashes.
@Suite struct CheckpointManifestTests {
  /// A folder of three files, removed with the value.
  private final class Folder {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("treg-\(UUID().uuidString)").path
    let manifest: CheckpointManifest

    init() throws {
      try FileSystem.createFolder(path + "/state")
      var entries: [CheckpointManifest.Entry] = []
      for (name, count) in [("config.json", 40), ("model.safetensors", 3_000_000), ("state/state.json", 900)] {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        let digest = try AtomicFile.write(bytes, to: path + "/" + name)
        #expect(digest == FileDigest(size: count, hash: ContentHash.of(bytes)))
        entries.append(CheckpointManifest.Entry(path: name, digest: digest))
      }
      manifest = CheckpointManifest(step: 7, entries: entries.reversed())
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func change(_ name: String, _ body: (inout Data) -> Void) throws {
      let file = URL(fileURLWithPath: path + "/" + name)
      var bytes = try Data(contentsOf: file)
      body(&bytes)
      try bytes.write(to: file)
    }
  }

  @Test func whatIsWrittenIsReadAndHolds() throws {
    let folder = try Folder()
    let manifest = try CheckpointManifest(parsing: folder.manifest.text, place: "manifest.json")
    #expect(manifest == folder.manifest && manifest.step == 7 && manifest.byteCount == 3_000_940)
    #expect(manifest.wrongSize(in: folder.path) == nil && manifest.wrongBytes(in: folder.path) == nil)
  }

  @Test func wrongSizesAreNamed() throws {
    let folder = try Folder()
    try folder.change("config.json") { $0.append(0) }
    #expect(folder.manifest.wrongSize(in: folder.path) == "config.json has 41 bytes, expected 40")
    try folder.change("config.json") { $0.removeLast(40) }
    #expect(folder.manifest.wrongSize(in: folder.path) == "config.json has 1 bytes, expected 40")
    try FileSystem.remove(folder.path + "/config.json")
    #expect(folder.manifest.wrongSize(in: folder.path) == "config.json is missing")
    try FileSystem.createFolder(folder.path + "/config.json")
    #expect(folder.manifest.wrongSize(in: folder.path) == "config.json is missing")
  }

  /// Whoever reads a file finds the damage, and between them readers read all.
  @Test func flippedBitsAreFoundWhereverTheyAre() throws {
    let folder = try Folder()
    var random = Mutator(seed: 5)
    for trial in 0..<60 {
      let entry = folder.manifest.entries[trial % 3]
      let place = Int.random(in: 0..<entry.digest.size, using: &random)
      let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &random)
      try folder.change(entry.path) { $0[place] ^= bit }
      let readers = 1 + trial % 4
      let found = (0..<readers).compactMap {
        folder.manifest.wrongBytes(in: folder.path, reader: $0, of: readers)
      }
      #expect(
        found == ["\(entry.path) does not hold what was written: its hash differs"], "bit \(bit) of byte \(place)")
      try folder.change(entry.path) { $0[place] ^= bit }
    }
    #expect(folder.manifest.wrongBytes(in: folder.path) == nil)
  }

  /// A manifest that says something else than it did is no manifest.
  @Test func aDamagedManifestIsRefused() throws {
    let folder = try Folder()
    let text = folder.manifest.text
    var random = Mutator(seed: 6)
    for _ in 0..<400 {
      var bytes = Array(text.utf8)
      bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &random)
      guard let damaged = String(validating: bytes, as: UTF8.self) else { continue }
      if let read = try? CheckpointManifest(parsing: damaged, place: "manifest.json") {
        #expect(read == folder.manifest, "\(damaged)")
      }
    }
    for count in [0, 1, 40, text.utf8.count - 3] {
      #expect(throws: TregError.self) {
        try CheckpointManifest(parsing: String(text.prefix(count)), place: "manifest.json")
      }
    }
  }

  @Test func pathsOutsideTheFolderAreRefused() throws {
    for path in ["../a", "/a", "a/../../b", "", "a//b", "."] {
      let manifest = CheckpointManifest(
        step: 1, entries: [.init(path: path, digest: FileDigest(size: 1, hash: "0"))])
      #expect(throws: TregError.self, "\(path)") {
        try CheckpointManifest(parsing: manifest.text, place: "manifest.json")
      }
    }
  }
}
