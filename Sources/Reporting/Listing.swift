/// Names and what is to be said of each, side by side; long texts go on below where they began.
package struct Listing: Sendable {
  private let lines: [(name: String, finding: String)]

  package init(_ lines: [(name: String, finding: String)]) {
    self.lines = lines
  }

  /// - Parameter width: columns of a line; words that are longer stand out.
  package func text(width: Int) -> String {
    let indent = (lines.map(\.name.count).max() ?? 0) + 2
    let room = max(width - indent, 20)
    return lines.flatMap { name, finding in
      Self.wrapped(finding, room).enumerated().map { index, part in
        let start = index == 0 ? name : ""
        return part.isEmpty ? start : start + String(repeating: " ", count: indent - start.count) + part
      }
    }.joined(separator: "\n")
  }

  private static func wrapped(_ text: String, _ width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    return lines + [line]
  }
}
