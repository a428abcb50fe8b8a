/// A table of text with aligned columns.
///
///                        before   after
///     logps/accuracies    0.640   0.780
package struct Table: Sendable {
  package enum Alignment: Sendable { case left, right }

  private let alignments: [Alignment]
  private var rows: [[String]]

  /// - Parameter columns: titles and how the cells below them are aligned.
  package init(_ columns: [(title: String, alignment: Alignment)]) {
    alignments = columns.map(\.alignment)
    rows = columns.contains { !$0.title.isEmpty } ? [columns.map(\.title)] : []
  }

  /// - Precondition: one cell for each column.
  package mutating func append(_ cells: [String]) {
    precondition(cells.count == alignments.count, "a row has one cell for each column")
    rows.append(cells)
  }

  /// The lines, without trailing blanks; columns are two blanks apart.
  package var text: String {
    let widths = alignments.indices.map { column in rows.map { Self.width(of: $0[column]) }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        if column > 0 { line += "  " }
        let padding = String(repeating: " ", count: widths[column] - Self.width(of: cell))
        line += alignments[column] == .left ? cell + padding : padding + cell
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }

  /// Columns that a cell takes, colours (ECMA-48 SGR sequences) not counted.
  private static func width(of cell: String) -> Int {
    var width = 0
    var isEscape = false
    for character in cell {
      if isEscape {
        if character.isLetter { isEscape = false }
      } else if character == "\u{1B}" {
        isEscape = true
      } else {
        width += 1
      }
    }
    return width
  }
}
