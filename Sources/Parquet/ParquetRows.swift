import OrderedJSON
import RunFolder

/// The rows of a row group, one at a time in file order.
///
/// In memory are one page and the dictionary of each column that is read, and the row that is being put together. Not to be
/// shared between threads; any number of them can read one ``ParquetFile``.
package final class ParquetRows {
  /// The file's row that ``next()`` returns next, from 0.
  package private(set) var position: Int

  private let fields: [SchemaNode]
  private let template: JSONObject
  /// One for each leaf of the file; nil for those that are not read.
  private let cursors: [ColumnCursor?]
  private let end: Int
  private let place: String
  /// Bytes that the present row may still take.
  private var budget = 0

  init(fields: [SchemaNode], cursors: [ColumnCursor?], firstRow: Int, rowCount: Int, place: String) {
    self.fields = fields
    self.cursors = cursors
    self.place = place
    position = firstRow
    end = firstRow + rowCount
    var template = JSONObject(minimumCapacity: fields.count)
    for field in fields { template[field.name] = .null }
    self.template = template
  }

  /// The next row, an object with the fields in the file's order; nil after the last.
  ///
  /// - Throws: ``TregError`` (65) at "file: row group 0, column messages.list.element.content" when the file is damaged. What
  ///   follows a row that failed cannot be read.
  package func next() throws -> JSONValue? {
    for cursor in cursors {
      guard let cursor else { continue }
      if position == end {
        if !cursor.isAtEnd { throw cursor.failure(Damage("the column goes on after the last row")) }
      } else if cursor.isAtEnd || cursor.repetition != 0 {
        throw cursor.failure(
          Damage(cursor.isAtEnd ? "the column ends before the last row" : "a row begins in the middle of a list"))
      }
    }
    guard position < end else { return nil }
    budget = ParquetLimits.rowByteCount
    let row = try object(template, fields)
    position += 1
    return row
  }

  private func first(of node: SchemaNode) -> ColumnCursor { cursors[node.leaves.lowerBound]! }

  private func object(_ template: JSONObject, _ fields: [SchemaNode]) throws -> JSONValue {
    var object = template
    for index in fields.indices { object.setValue(try value(of: fields[index]), at: index) }
    return .object(object)
  }

  private func value(of node: SchemaNode) throws -> JSONValue {
    try spend(ParquetLimits.valueByteCount)
    if node.isOptional, first(of: node).definition < node.definition {
      try skip(node, below: node.definition)
      return .null
    }
    switch node.shape {
    case .value:
      let value = try first(of: node).take()
      if case .string(let text) = value { try spend(text.utf8.count) }
      return value
    case .object(let template, let fields): return try object(template, fields)
    case .list(let item, let definition, let repetition):
      var items: [JSONValue] = []
      try forEachItem(of: node, definition, repetition) { items.append(try value(of: item)) }
      return .array(items)
    case .map(let key, let value, let hasTextKeys, let definition, let repetition):
      return try map(of: node, key, value, hasTextKeys: hasTextKeys, definition, repetition)
    }
  }

  /// An object when the keys are text, otherwise a list of objects with key and value. Of a repeated key the last value
  /// counts.
  private func map(
    of node: SchemaNode, _ key: SchemaNode, _ value: SchemaNode, hasTextKeys: Bool, _ definition: Int, _ repetition: Int
  ) throws -> JSONValue {
    var members = JSONObject()
    var entries: [JSONValue] = []
    try forEachItem(of: node, definition, repetition) {
      let (key, value) = (try self.value(of: key), try self.value(of: value))
      guard hasTextKeys else { return entries.append(["key": key, "value": value]) }
      guard case .string(let name) = key else { throw first(of: node).failure(Damage("a key is null")) }
      members[name] = value
    }
    return hasTextKeys ? .object(members) : .array(entries)
  }

  private func forEachItem(of node: SchemaNode, _ definition: Int, _ repetition: Int, _ body: () throws -> Void) throws
  {
    let cursor = first(of: node)
    if cursor.definition < definition { return try skip(node, below: definition) }
    repeat {
      try body()
      for leaf in node.leaves.dropFirst() where cursors[leaf]!.repetition != cursor.repetition {
        throw cursors[leaf]!.failure(ColumnCursor.disagreement)
      }
    } while cursor.repetition == repetition
  }

  private func skip(_ node: SchemaNode, below definition: Int) throws {
    for leaf in node.leaves { try cursors[leaf]!.skip(below: definition) }
  }

  private func spend(_ count: Int) throws {
    budget -= count
    guard budget >= 0 else {
      throw TregError.badData(
        at: place, "row \(position) takes more than \(ParquetLimits.rowByteCount >> 20) MiB, which is not read")
    }
  }
}
