import OrderedJSON
import RunFolder

/// A value of a tokenizer file together with where it stands, so that every complaint names file and key.
struct FileNode {
  let value: JSONValue
  /// The file as users know it.
  let place: String
  /// Keys from the top, as in `model.merges[17]`; empty at the top.
  let path: String

  func error(_ message: String) -> TregError {
    .badData(at: path.isEmpty ? place : "\(place): \(path)", message)
  }

  /// The value under `key`; nil when it is missing or null.
  subscript(key: String) -> FileNode? {
    guard let child = value[key], !child.isNull else { return nil }
    return FileNode(value: child, place: place, path: path.isEmpty ? key : "\(path).\(key)")
  }

  func element(_ index: Int, _ value: JSONValue) -> FileNode {
    FileNode(value: value, place: place, path: "\(path)[\(index)]")
  }

  func required(_ key: String) throws -> FileNode {
    guard value.object != nil else { throw error("expected an object, found \(value.kind)") }
    guard let child = self[key] else { throw error("the key \"\(key)\" is missing") }
    return child
  }

  func string() throws -> String {
    guard let text = value.string else { throw error("expected a string, found \(value.kind)") }
    return text
  }

  func integer() throws -> Int {
    guard let number = value.integer else { throw error("expected a whole number, found \(value.kind)") }
    return number
  }

  func elements() throws -> [FileNode] {
    guard let list = value.array else { throw error("expected a list, found \(value.kind)") }
    return list.enumerated().map { element($0.offset, $0.element) }
  }

  /// A boolean under `key`, or `standard` when the key is missing or null.
  func flag(_ key: String, or standard: Bool) throws -> Bool {
    guard let child = self[key] else { return standard }
    guard let flag = child.value.bool else { throw child.error("expected true or false, found \(child.value.kind)") }
    return flag
  }

  func type() throws -> String { try required("type").string() }
}
