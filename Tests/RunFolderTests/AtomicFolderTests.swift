import RunFolder
import Testing

@Suite struct AtomicFolderTests {
  @Test func whatIsRemovedIsNeverFoundInPart() throws {
    let folder = try TemporaryFolder()
    try FileSystem.createFolder(folder("old/state"))
    try AtomicFile.write("a", to: folder("old/state/a"))
    try AtomicFolder.remove(folder("old"))
    #expect(try FileSystem.contents(ofFolder: folder.path).isEmpty)
    #expect(failure { try AtomicFolder.remove(folder("old")) } != nil, "there is none")
  }

  @Test func appearsWholeAndReplaces() throws {
    let folder = try TemporaryFolder()
    let target = folder("checkpoint-1")
    for text in ["first", "second"] {
      try AtomicFolder.write(to: target) { temporary in
        try FileSystem.createFolder(FileSystem.join(temporary, "state"))
        try AtomicFile.write(text, to: FileSystem.join(temporary, "state/a"))
        #expect(text == "second" || FileSystem.kind(of: target) == nil)
      }
      #expect(try FileSystem.readText(FileSystem.join(target, "state/a")) == text)
      #expect(try FileSystem.contents(ofFolder: folder.path) == ["checkpoint-1"])
    }
  }

  @Test func aFailureLeavesNothing() throws {
    let folder = try TemporaryFolder()
    let error = failure {
      try AtomicFolder.write(to: folder("a")) { temporary in
        try AtomicFile.write("x", to: FileSystem.join(temporary, "x"))
        throw TregError.inputOutput(at: nil, "no")
      }
    }
    #expect(error?.exitCode == .inputOutput)
    #expect(try FileSystem.contents(ofFolder: folder.path) == [])
  }

  @Test func removingFollowsNoLinks() throws {
    let folder = try TemporaryFolder()
    try FileSystem.createFolder(folder("kept"))
    try AtomicFile.write("x", to: folder("kept/x"))
    try FileSystem.createFolder(folder("gone/deep"))
    #expect(symlinked(folder("kept"), at: folder("gone/deep/link")))
    try FileSystem.remove(folder("gone"))
    #expect(try FileSystem.contents(ofFolder: folder.path) == ["kept"])
    #expect(try FileSystem.contents(ofFolder: folder("kept")) == ["x"])
  }
}
