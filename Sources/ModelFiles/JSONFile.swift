import OrderedJSON
import RunFolder

/// JSON files of a model folder.
enum JSONFile {
  /// No tokenizer on the hub comes near this size.
  static let maximumCount = 1 << 28

  /// - Throws: ``TregError``: 66 when the file is missing, 65 with line and column when it is not JSON.
  static func read(_ path: String) throws -> JSONValue {
    try parse(FileSystem.readBytes(path, maximumCount: maximumCount), place: path)
  }

  static func parse(_ bytes: [UInt8], place: String) throws -> JSONValue {
    do {
      return try JSONValue(parsing: bytes)
    } catch let error as JSONError {
      throw TregError.badData(at: place, "not valid JSON: \(error)")
    }
  }
}
