import RunFolder
import Testing

@Suite struct ContentHashTests {
  /// Values of the reference implementation (`xxh128sum`).
  @Test(arguments: [
    ("", "99aa06d3014798d86001c324468d497f"),
    ("a", "a96faf705af16834e6c632b61e964e1f"),
  ])
  func equalsTheReference(text: String, expected: String) {
    #expect(ContentHash.of(text) == expected)
  }

  @Test func doesNotDependOnTheCuts() {
    let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 31 >> 3) }
    let whole = ContentHash.of(bytes)
    for cut in [1, 240, 241, 1024, 4999] {
      var hash = ContentHash()
      hash.update(bytes[..<cut])
      hash.update(bytes[cut...])
      #expect(hash.hexadecimal == whole)
    }
  }

  @Test func hashesFilesAsTheirBytes() throws {
    let folder = try TemporaryFolder()
    let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 * 7 >> 5) }
    try AtomicFile.write(bytes, to: folder("big"))
    #expect(try ContentHash.ofFile(folder("big")) == ContentHash.of(bytes))
    #expect(failure { _ = try ContentHash.ofFile(folder("none")) }?.exitCode == .inputMissing)
  }

  @Test func integersAreEightBytesLittleEndian() {
    var first = ContentHash()
    first.update(0x0102)
    var second = ContentHash()
    second.update([2, 1, 0, 0, 0, 0, 0, 0])
    #expect(first.digest == second.digest)
  }
}
