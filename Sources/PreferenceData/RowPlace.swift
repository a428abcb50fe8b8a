/// Where a row stands, apart from the path of its file, which may be another one in the next run.
package struct RowPlace: Sendable, Hashable {
  /// Index of the file among those that are read.
  package let file: Int
  /// What follows the path in messages: ":12", ": row 3 of the list".
  package let suffix: String

  package init(file: Int, suffix: String) {
    self.file = file
    self.suffix = suffix
  }
}
