/// Conversations written as one text, "\n\nHuman: …\n\nAssistant: …", as the Anthropic HH data has them.
enum HumanAssistantText {
  private static let markers: [(bytes: [UInt8], role: String)] = [
    (Array("\n\nHuman:".utf8), "user"), (Array("\n\nAssistant:".utf8), "assistant"),
  ]

  /// The turns of `text`, blanks around them removed; nil when it does not start with a human's turn.
  static func turns(of text: String) -> [Message]? {
    let bytes = Array(("\n\n" + text.drop { $0 == "\n" }).utf8)
    guard bytes.starts(with: markers[0].bytes) else { return nil }
    var turns: [Message] = []
    var role = ""
    var start = 0
    var position = 0
    func finish(at end: Int) {
      if !role.isEmpty { turns.append(Message(role: role, content: trimmed(bytes[start..<end]))) }
    }
    while position < bytes.count {
      // Markers start with a line feed, which most bytes are not.
      if bytes[position] == UInt8(ascii: "\n"),
        let marker = markers.first(where: { bytes[position...].starts(with: $0.bytes) })
      {
        finish(at: position)
        role = marker.role
        position += marker.bytes.count
        start = position
      } else {
        position += 1
      }
    }
    finish(at: bytes.count)
    return turns
  }

  /// Whether an answer is to follow `text`: it ends with the header of an assistant's turn.
  static func endsWithHeader(_ text: String) -> Bool {
    var bytes = Array(text.utf8)[...]
    while let last = bytes.last, last == 0x20 || last == 0x0A { bytes.removeLast() }
    return bytes.reversed().starts(with: markers[1].bytes.reversed())
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    var bytes = bytes.drop(while: isBlank)
    while let last = bytes.last, isBlank(last) { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }
}
