/// What a file holds, told by its length and a hash of its bytes.
package struct FileDigest: Sendable, Equatable {
  /// Bytes.
  package let size: Int
  /// As ``ContentHash/hexadecimal``.
  package let hash: String

  package init(size: Int, hash: String) {
    self.size = size
    self.hash = hash
  }
}
