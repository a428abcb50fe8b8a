import OrderedJSON

/// A binary file of this project: eight bytes that name its format, a JSON header, a payload.
///
///     bytes 0–7    the format's name and version
///     bytes 8–15   length of the header, UInt64 little-endian
///     header       JSON; its "payload_hash" is the XXH3-128 of the payload
///     payload      the rest of the file
package struct HeadedFile: Sendable {
  package let header: JSONValue
  package let payload: ArraySlice<UInt8>

  /// Writes such a file, whole or not at all.
  ///
  /// - Parameters:
  ///   - format: eight ASCII characters.
  ///   - header: an object; the payload's hash is added to it.
  ///   - payload: memory that is written one piece after the other.
  @discardableResult
  package static func write(
    to path: String, format: String, header: JSONValue, payload: [UnsafeRawBufferPointer]
  ) throws -> FileDigest {
    precondition(format.utf8.count == 8, "a format's name has eight bytes")
    guard case .object(var members) = header else { preconditionFailure("a header is an object") }
    var hash = ContentHash()
    for piece in payload { hash.update(piece) }
    members["payload_hash"] = .string(hash.hexadecimal)
    let text = Array(JSONValue.object(members).text().utf8)
    return try AtomicFile.write(to: path) { file in
      try file.write(format)
      try file.write(valuesOf: [UInt64(text.count).littleEndian])
      try file.write(text)
      for piece in payload { try file.write(piece) }
      return file.digest
    }
  }

  /// Reads a file and checks the hash of its payload.
  ///
  /// - Throws: 66 when it is missing, 65 when it is of another format or damaged.
  package init(readingFrom path: String, format: String) throws {
    let bytes = try FileSystem.readBytes(path)
    (header, payload) = try Self.parse(bytes, path: path, format: format)
    var hash = ContentHash()
    hash.update(payload)
    guard header["payload_hash"]?.string == hash.hexadecimal else { throw Self.damaged(path) }
  }

  /// The header alone; the payload is not checked.
  package static func header(of path: String, format: String) throws -> JSONValue {
    try parse(FileSystem.readBytes(path), path: path, format: format).header
  }

  package static func damaged(_ path: String) -> TregError {
    .badData(at: path, "the file is damaged; remove it, and what it held is made again")
  }

  private static func parse(
    _ bytes: [UInt8], path: String, format: String
  ) throws -> (header: JSONValue, payload: ArraySlice<UInt8>) {
    guard bytes.count >= 16, bytes[..<8].elementsEqual(format.utf8) else {
      throw TregError.badData(at: path, "not a file of format \(format)")
    }
    let length = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) }
    guard length <= UInt64(bytes.count - 16), let header = try? JSONValue(parsing: bytes[16..<16 + Int(length)]) else {
      throw damaged(path)
    }
    return (header, bytes[(16 + Int(length))...])
  }
}
