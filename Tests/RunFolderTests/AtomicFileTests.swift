import Glibc
import RunFolder
import Testing

@Suite struct AtomicFileTests {
  @Test func writesSmallAndLargePieces() throws {
    let folder = try TemporaryFolder()
    let large = [Float](repeating: 1.5, count: 700_000)
    var digest: FileDigest?
    let count = try AtomicFile.write(to: folder("a")) { writer in
      try writer.write("head")
      try writer.write(valuesOf: large)
      try writer.write([7])
      digest = writer.digest
      return writer.count
    }
    let bytes = try FileSystem.readBytes(folder("a"))
    #expect(try digest == FileDigest(size: count, hash: ContentHash.ofFile(folder("a"))))
    #expect(count == 4 + 4 * 700_000 + 1 && bytes.count == count)
    #expect(bytes.prefix(4) == Array("head".utf8)[...] && bytes.last == 7)
    #expect(bytes[4..<8].elementsEqual([0, 0, 0xC0, 0x3F]))
  }

  @Test func aFailureLeavesTheOldFileAndNothingElse() throws {
    let folder = try TemporaryFolder()
    try AtomicFile.write("old", to: folder("a"))
    let error = failure {
      try AtomicFile.write(to: folder("a")) { writer in
        try writer.write([UInt8](repeating: 1, count: 3 << 20))
        throw TregError.badData(at: nil, "no")
      }
    }
    #expect(error?.exitCode == .badData)
    #expect(try FileSystem.readText(folder("a")) == "old")
    #expect(try FileSystem.contents(ofFolder: folder.path) == ["a"])
  }

  @Test func namesWhatIsInTheWay() throws {
    let folder = try TemporaryFolder()
    try FileSystem.createFolder(folder("folder"))
    #expect(failure { try AtomicFile.write("x", to: folder("folder")) }?.exitCode == .cannotCreate)
    #expect(failure { try AtomicFile.write("x", to: folder("none/a")) }?.exitCode == .cannotCreate)
    #expect(failure { try AtomicFile.write("x", to: "/dev/null") }?.message == "not a regular file")
    try AtomicFile.write("x", to: folder("a"))
    #expect(failure { try FileSystem.createFolder(folder("a/b")) }?.exitCode == .cannotCreate)
  }

  @Test func writesThroughALink() throws {
    let folder = try TemporaryFolder()
    try AtomicFile.write("old", to: folder("real"))
    #expect(symlink("real", folder("link")) == 0)
    try AtomicFile.write("new", to: folder("link"))
    #expect(try FileSystem.readText(folder("real")) == "new")
  }

  @Test(.enabled(if: geteuid() == 0, "a small disk can only be mounted by root"))
  func aFullDiskIsNamed() throws {
    let folder = try TemporaryFolder()
    let small = folder("small")
    try FileSystem.createFolder(small)
    guard mount("none", small, "tmpfs", 0, "size=64k") == 0 else {
      withKnownIssue("this machine lets nobody mount a small disk; a full disk was not tested") {
        Issue.record("mount failed: \(String(cString: strerror(errno)))")
      }
      return
    }
    defer { umount(small) }
    let error = failure {
      try AtomicFile.write([UInt8](repeating: 1, count: 1 << 20), to: FileSystem.join(small, "weights"))
    }
    #expect(error?.exitCode == .inputOutput)
    #expect(error?.message.contains("disk full while writing") == true)
    #expect(try FileSystem.contents(ofFolder: small) == [])
  }

  @Test func clearsAwayWhatDeadProcessesLeft() throws {
    let folder = try TemporaryFolder()
    var name = ""
    try AtomicFile.write(to: folder("a")) { _ in
      name = try FileSystem.contents(ofFolder: folder.path)[0]
      #expect(try FileSystem.removeLeftovers(in: folder.path) == [])
    }
    // No process has this number: the kernel's limit is 4,194,304.
    let dead = name.replacing(".\(Machine.processIdentifier).", with: ".99999999.")
    try AtomicFile.write("half", to: folder(dead))
    #expect(dead != name)
    #expect(try FileSystem.removeLeftovers(in: folder.path) == [dead])
    #expect(try FileSystem.contents(ofFolder: folder.path) == ["a"])
  }
}
