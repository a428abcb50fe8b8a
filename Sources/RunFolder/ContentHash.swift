import CXXHash
import Glibc

/// XXH3 with 128 bits over a stream: the hash by which models, templates, data and rewards are told apart.
///
/// It finds accidents, not attackers: it is no cryptographic hash. Equal bytes give equal hashes on every
/// machine, however they were cut into updates. Parts that are hashed one after another should be preceded by
/// their lengths (``update(_:)-(Int)``), or else "ab" + "c" equals "a" + "bc".
///
/// Source: the xxHash specification, `doc/xxhash_spec.md`; the text form is its canonical (big-endian) one.
package struct ContentHash: ~Copyable {
  private let state: OpaquePointer
  /// Bytes that are hashed between two signs of life: moments of a large model take many seconds.
  private static let piece = 1 << 26

  package init() {
    guard let state = XXH3_createState() else { fatalError("out of memory for the state of a hash") }
    self.state = state
    XXH3_128bits_reset(state)
  }

  deinit {
    XXH3_freeState(state)
  }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    for first in stride(from: 0, to: bytes.count, by: Self.piece) {
      let count = min(Self.piece, bytes.count - first)
      let code = XXH3_128bits_update(state, start + first, count)
      precondition(code == XXH_OK, "the hash refused its input")
      if count == Self.piece { Pulse.beat() }
    }
  }

  package mutating func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { update($0) }
  }

  package mutating func update(_ bytes: ArraySlice<UInt8>) {
    bytes.withUnsafeBytes { update($0) }
  }

  /// The UTF-8 bytes of `text`, without its length.
  package mutating func update(_ text: String) {
    var text = text
    text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
  }

  /// The memory of `values`, as it lies (little-endian on every supported machine).
  package mutating func update<Value: BitwiseCopyable>(valuesOf values: [Value]) {
    values.withUnsafeBytes { update($0) }
  }

  /// Eight bytes, the least significant first.
  package mutating func update(_ integer: Int) {
    withUnsafeBytes(of: Int64(integer).littleEndian) { update($0) }
  }

  /// The two halves of the hash of all bytes so far; more can follow.
  package var digest: (high: UInt64, low: UInt64) {
    let hash = XXH3_128bits_digest(state)
    return (hash.high64, hash.low64)
  }

  /// 32 hexadecimal digits, lower case.
  package var hexadecimal: String {
    let digest = digest
    return Self.digits(of: digest.high) + Self.digits(of: digest.low)
  }

  private static func digits(of half: UInt64) -> String {
    let text = String(half, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }
}

extension ContentHash {
  package static func of(_ text: String) -> String {
    var hash = ContentHash()
    hash.update(text)
    return hash.hexadecimal
  }

  /// XXH3 with 64 bits of some memory, for comparisons inside one run.
  package static func quick(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    guard let start = bytes.baseAddress else { return XXH3_64bits("", 0) }
    return XXH3_64bits(start, bytes.count)
  }

  package static func of(_ bytes: [UInt8]) -> String {
    var hash = ContentHash()
    hash.update(bytes)
    return hash.hexadecimal
  }

  /// The hash of a file's bytes, read in pieces of 1 MiB.
  ///
  /// - Throws: ``TregError``: 66 when the file is missing, 77 when it may not be read, 74 when reading fails.
  package static func ofFile(_ path: String) throws -> String {
    let descriptor = Pulse.atFile { open(path, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw FileSystem.error(errno, .reading, path) }
    defer { close(descriptor) }
    var hash = ContentHash()
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { piece.deallocate() }
    while true {
      let count = Pulse.atFile { read(descriptor, piece.baseAddress, piece.count) }
      if count == 0 { return hash.hexadecimal }
      if count < 0 {
        if errno == EINTR { continue }
        throw FileSystem.error(errno, .reading, path)
      }
      hash.update(UnsafeRawBufferPointer(rebasing: piece[..<count]))
    }
  }
}
