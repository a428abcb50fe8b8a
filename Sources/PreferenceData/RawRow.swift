import OrderedJSON
import RunFolder

/// A row as it came from its file, not looked at yet: what can be done by any thread is left to do.
struct RawRow: Sendable {
  enum Content: Sendable {
    /// A JSON text; `line` and `column` are where it begins, for messages. nil: the place names the line.
    case text([UInt8], start: (line: Int, column: Int)?)
    case columns(JSONValue)
    case refused(String)
    case row(PreferenceRow)
  }

  /// Position over all files, from 0.
  let row: Int
  let path: String
  let place: RowPlace
  let content: Content

  /// Bytes of memory, roughly.
  var weight: Int {
    switch content {
    case .text(let bytes, _): bytes.count
    case .columns(let value): Self.weight(of: value)
    case .refused, .row: 64
    }
  }

  /// - Throws: bad data (65) at the row's place.
  func preferenceRow() throws -> PreferenceRow {
    let place = path + place.suffix
    switch content {
    case .row(let row): return row
    case .refused(let reason): throw TregError.badData(at: place, reason)
    case .columns(let columns): return try PreferenceRow(columns: columns, row: row, place: place, origin: self.place)
    case .text(let bytes, let start):
      let columns: JSONValue
      do {
        columns = try bytes.withUnsafeBufferPointer { try JSONValue(parsing: $0) }
      } catch let error as JSONError {
        if let start {
          let column = error.line == 1 ? start.column + error.column - 1 : error.column
          throw TregError.badData(at: "\(path):\(start.line + error.line - 1):\(column)", error.message)
        }
        var message = error.message
        if bytes.count <= 2 { message += "; expected one whole object on each line" }
        throw TregError.badData(at: "\(place):\(error.column)", message)
      }
      return try PreferenceRow(columns: columns, row: row, place: place, origin: self.place)
    }
  }

  private static func weight(of value: JSONValue) -> Int {
    switch value {
    case .string(let text): 32 + text.utf8.count
    case .array(let items): items.reduce(32) { $0 + weight(of: $1) }
    case .object(let members): members.reduce(64) { $0 + $1.key.utf8.count + weight(of: $1.value) }
    default: 32
    }
  }
}
