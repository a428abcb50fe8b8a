import PreferenceData
import RunFolder
import Testing

@Suite struct DataFilesTests {
  private func write(_ folder: TemporaryFolder, _ names: [String]) throws {
    for name in names {
      let path = folder.path + "/" + name
      try FileSystem.createFolder(FileSystem.parent(of: path))
      try AtomicFile.write(PreferenceFileTests.row, to: path)
    }
  }

  private func found(_ folder: TemporaryFolder, _ name: String, split: String? = nil) throws -> [String] {
    try DataFiles(split: split, environment: ["HF_HUB_CACHE": folder.path + "/hub"]).find([name]).map {
      $0.hasPrefix(folder.path) ? String($0.dropFirst(folder.path.count + 1)) : $0
    }
  }

  @Test func findsSplitsOfCachedDataSets() throws {
    let folder = try TemporaryFolder()
    let snapshot = "hub/datasets--org--set/snapshots/abc"
    let shards = ["train_prefs-00000-of-00002", "train_prefs-00001-of-00002", "test_prefs-00000-of-00001"]
    try write(folder, shards.map { "\(snapshot)/data/\($0).parquet" } + ["\(snapshot)/dataset_infos.json"])
    expectError(
      .configuration, "data_split: org/set has no split train; name one of: test_prefs, train_prefs"
    ) { try found(folder, "org/set") }
    #expect(
      try found(folder, "org/set", split: "train_prefs") == shards.prefix(2).map { "\(snapshot)/data/\($0).parquet" })
    expectError(
      .configuration, "data_split: org/set has no split dev; it has: test_prefs, train_prefs"
    ) { try found(folder, "org/set", split: "dev") }
    expectError(
      .inputMissing,
      "org/other: no such file or folder; no \(folder.path)/hub/datasets--org--other either (nothing is downloaded)"
    ) { try found(folder, "org/other") }
  }

  @Test func readsPartsFoldersAndPatterns() throws {
    let folder = try TemporaryFolder()
    let snapshot = "hub/datasets--org--hh/snapshots/abc"
    try write(
      folder,
      [
        "\(snapshot)/base/train.jsonl.gz", "\(snapshot)/base/test.jsonl.gz", "\(snapshot)/online/train.jsonl.gz",
        "\(snapshot)/other/red.jsonl",
      ])
    #expect(try found(folder, "org/hh/base") == ["\(snapshot)/base/train.jsonl.gz"])
    // Files that name no split are left out where others do.
    #expect(
      try found(folder, "org/hh") == ["\(snapshot)/base/train.jsonl.gz", "\(snapshot)/online/train.jsonl.gz"])
    #expect(try found(folder, "org/hh", split: "test") == ["\(snapshot)/base/test.jsonl.gz"])
    try write(folder, ["plain/b.jsonl", "plain/deep/a.json", "plain/notes.txt", "plain/.hidden.jsonl"])
    #expect(try found(folder, folder.path + "/plain") == ["plain/b.jsonl", "plain/deep/a.json"])
    #expect(try found(folder, folder.path + "/plain/**/*.json*") == ["plain/b.jsonl", "plain/deep/a.json"])
    expectError(.inputMissing, "\(folder.path)/plain/**/*.parquet: no file matches") {
      try found(folder, folder.path + "/plain/**/*.parquet")
    }
  }

  @Test func readsZstandardFramesAndLongLists() throws {
    let folder = try TemporaryFolder()
    let row = PreferenceFileTests.row
    let frame = try FileSystem.readBytes(folder.writeZstandard("a", row + "\n"))
    let skippable: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3]
    let frames = try folder.write("b.zst", skippable + frame + frame)
    #expect(try PreferenceFile.read([frames]).rows.count == 2)
    let member = try FileSystem.readBytes(folder.writeCompressed("c", row + "\n"))
    let members = try folder.write("d.gz", member + member + [0, 0])
    #expect(try PreferenceFile.read([members]).rows.count == 2)
    for (bytes, reason) in [
      (Array(frame.dropLast(3)), "cut off"), (frame + Array("abcdefgh".utf8), "damaged"),
      (member + [0x1F, 0x8C], "damaged"), (member + member.dropLast(9), "cut off"),
    ] {
      let path = try folder.write("e", bytes)
      #expect {
        _ = try PreferenceFile.read([path])
      } throws: { error in
        (error as? TregError)?.exitCode == .badData && "\(error)".contains(reason)
      }
    }
    let list = try folder.write("f.json", "[\n \(row),\n {\"prompt\": ]\n]")
    expectError(.badData, "\(list):3:13: expected a value") { try PreferenceFile.read([list]) }
    let open = try folder.write("g.json", "[\(row), \(row)")
    #expect(throws: TregError.self) { try PreferenceFile.read([open]) }
  }
}
