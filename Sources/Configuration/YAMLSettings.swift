import RunFolder
import Yams

/// Settings out of a YAML file: one flat mapping, every key once.
enum YAMLSettings {
  /// - Throws: ``TregError``: 66 when the file is missing, 78 with file and line for all else.
  static func read(file path: String) throws -> [Setting] {
    let text = try FileSystem.readText(path, maximumCount: 1 << 20)
    return try read(text, place: path)
  }

  static func read(_ text: String, place: String) throws -> [Setting] {
    let root: Node?
    do {
      root = try compose(yaml: text)
    } catch let error as YamlError {
      throw translated(error, text: text, place: place)
    }
    guard let root, !isEmpty(root) else { return [] }
    guard case .mapping(let mapping) = root else {
      throw TregError.configuration(at: "\(place):\(root.mark?.line ?? 1)", "expected `key: value` lines")
    }
    var lines: [String: Int] = [:]
    return try mapping.map { keyNode, valueNode in
      let line = keyNode.mark?.line ?? 1
      guard case .scalar(let scalar) = keyNode else {
        throw TregError.configuration(at: "\(place):\(line)", "expected a key, found a list or mapping")
      }
      let setting = Setting(written: scalar.string, value: value(of: valueNode), line: "\(place):\(line)")
      let name = setting.key?.name ?? setting.name
      if let first = lines.updateValue(line, forKey: name) {
        throw setting.error("given twice, first in line \(first)")
      }
      return setting
    }
  }

  private static func isEmpty(_ node: Node) -> Bool {
    guard case .scalar(let scalar) = node else { return false }
    return scalar.string.isEmpty
  }

  private static func value(of node: Node) -> ConfigurationValue {
    switch node {
    case .scalar(let scalar):
      scalar.style == .plain || scalar.style == .any ? ConfigurationValue(plain: scalar.string) : .text(scalar.string)
    case .sequence(let sequence): .list(sequence.map(value(of:)))
    case .mapping(let mapping): mapping.isEmpty ? .text("{}") : .mapping
    case .alias: .mapping
    }
  }

  private static func translated(_ error: YamlError, text: String, place: String) -> TregError {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      return .configuration(at: "\(place):\(mark.line)", "not YAML: \(problem)")
    case .duplicatedKeysInMapping(let duplicates, _):
      let name = duplicates.first ?? ""
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        .filter { $0.element.hasPrefix(name) && $0.element.dropFirst(name.count).drop { $0 == " " }.hasPrefix(":") }
        .map { $0.offset + 1 }
      let line = lines.count > 1 ? "\(place):\(lines[1])" : place
      return .configuration(at: line, "\(name): given twice" + (lines.first.map { ", first in line \($0)" } ?? ""))
    default:
      return .configuration(at: place, "not YAML: \(firstLine(of: error.description))")
    }
  }

  private static func firstLine(of text: String) -> String {
    String(text.prefix { !$0.isNewline })
  }
}
