import OrderedJSON
import RunFolder

/// How many rows were left out, and why the first of them were.
package struct SkippedRows: Sendable, Equatable {
  /// As many reasons are kept.
  package static let reasonLimit = 5

  package private(set) var count = 0
  /// `place: reason` of the first rows left out.
  package private(set) var reasons: [String] = []
  /// How many rows were left out for which kind of reason: messages without places, numbers as `N`.
  package private(set) var kinds: [String: Int] = [:]
  /// Further kinds count as `other reasons`, so that messages which quote their row do not fill the memory.
  package static let kindLimit = 32

  package init() {}

  package mutating func add(_ error: TregError) {
    count += 1
    if reasons.count < Self.reasonLimit { reasons.append(error.description) }
    let kind = Self.kind(of: error.message)
    kinds[kinds[kind] != nil || kinds.count < Self.kindLimit ? kind : "other reasons", default: 0] += 1
  }

  private static func kind(of message: String) -> String {
    var kind = ""
    for character in message {
      if !("0"..."9").contains(character) {
        kind.append(character)
      } else if kind.last != "N" {
        kind.append("N")
      }
    }
    return kind
  }
}

extension SkippedRows {
  /// The counts as they are kept in a file. Paths stand as numbers, since files may lie elsewhere in the next run.
  func json(paths: [String]) -> JSONValue {
    let reasons: [JSONValue] = reasons.map { reason in
      let file = paths.indices.filter { reason.hasPrefix(paths[$0] + ":") }.max {
        paths[$0].utf8.count < paths[$1].utf8.count
      }
      guard let file else { return ["text": .string(reason)] }
      return ["file": .integer(file), "text": .string(String(reason.dropFirst(paths[file].count)))]
    }
    var kinds = JSONObject()
    for (kind, count) in self.kinds.sorted(by: { $0.key < $1.key }) { kinds[kind] = .integer(count) }
    return ["count": .integer(count), "reasons": .array(reasons), "kinds": .object(kinds)]
  }

  init?(json: JSONValue?, paths: [String]) {
    guard let count = json?["count"]?.integer, let reasons = json?["reasons"]?.array, let kinds = json?["kinds"]?.object
    else { return nil }
    self.count = count
    for reason in reasons {
      guard let text = reason["text"]?.string else { return nil }
      guard let file = reason["file"]?.integer else {
        self.reasons.append(text)
        continue
      }
      guard paths.indices.contains(file) else { return nil }
      self.reasons.append(paths[file] + text)
    }
    for (kind, number) in kinds { self.kinds[kind] = number.integer ?? 0 }
  }
}
