/// What is wrong with a part of a file, before it is known where: whoever knows the row group and column adds them.
struct Damage: Error {
  let message: String
  /// The bytes ended too early, so that more of the file might help.
  let isShort: Bool

  init(_ message: String, isShort: Bool = false) {
    self.message = message
    self.isShort = isShort
  }
}
