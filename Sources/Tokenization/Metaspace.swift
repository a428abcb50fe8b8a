/// SentencePiece's way with blanks: each becomes a visible mark, which belongs to the word after it.
struct Metaspace: Sendable {
  enum PrependScheme: String, Sendable {
    /// Before the very first text alone.
    case first
    case never
    /// Before every text.
    case always
  }

  /// The mark in UTF-8; one character, usually U+2581.
  let mark: [UInt8]
  let scheme: PrependScheme
  /// Cuts before every mark.
  let splits: Bool

  init(_ node: FileNode) throws {
    let replacement = try node.required("replacement")
    let text = try replacement.string()
    guard text.unicodeScalars.count == 1 else { throw replacement.error("expected one character, found \"\(text)\"") }
    mark = Array(text.utf8)
    var scheme = PrependScheme.always
    if let name = node["prepend_scheme"] {
      guard let known = PrependScheme(rawValue: try name.string()) else {
        throw name.error("expected first, never or always, found \"\(try name.string())\"")
      }
      scheme = known
    }
    // The older form of the same setting.
    if try !node.flag("add_prefix_space", or: true) {
      guard node["prepend_scheme"] == nil || scheme == .never else {
        throw node.error("add_prefix_space is false, but prepend_scheme is \(scheme.rawValue)")
      }
      scheme = .never
    }
    self.scheme = scheme
    splits = try node.flag("split", or: true)
  }

  /// Calls `body` with each piece and the number of its bytes that stem from the first character of all.
  func withPieces(
    of text: UnsafeBufferPointer<UInt8>, originCount: Int,
    _ body: (UnsafeBufferPointer<UInt8>, Int) throws -> Void
  ) throws {
    let blanks = text.count { $0 == UInt8(ascii: " ") }
    let startsMarked = text[0] == UInt8(ascii: " ") || text.starts(with: mark)
    let prepends = !startsMarked && (scheme == .always || (scheme == .first && originCount > 0))
    let count = text.count + blanks * (mark.count - 1) + (prepends ? mark.count : 0)
    try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { buffer in
      var end = 0
      func write(_ byte: UInt8) {
        buffer[end] = byte
        end += 1
      }
      if prepends { for byte in mark { write(byte) } }
      var origin = prepends && originCount > 0 ? mark.count : 0
      for index in 0..<text.count {
        if text[index] == UInt8(ascii: " ") { for byte in mark { write(byte) } } else { write(text[index]) }
        if index == originCount - 1 { origin = end }
      }
      let marked = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(buffer)[..<end])
      guard splits else { return try body(marked, origin) }
      var start = 0
      for index in 0..<end where index > start && isMark(marked, index) {
        try body(UnsafeBufferPointer(rebasing: marked[start..<index]), max(0, origin - start))
        start = index
      }
      try body(UnsafeBufferPointer(rebasing: marked[start...]), max(0, origin - start))
    }
  }

  @inline(__always)
  private func isMark(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
    guard text[index] == mark[0], index + mark.count <= text.count else { return false }
    for offset in 1..<max(1, mark.count) where text[index + offset] != mark[offset] { return false }
    return true
  }
}
