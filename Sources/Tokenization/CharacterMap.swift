import Foundation

/// The table of replacements that SentencePiece compiles its normalisation rules into: a double-array trie over UTF-8,
/// whose values are offsets into a list of texts that end with a zero byte.
///
/// Source: SentencePiece's `precompiled_charsmap` and the unit layout of Darts-clone.
struct CharacterMap: Sendable {
  private let units: [UInt32]
  private let texts: [UInt8]

  init(_ node: FileNode) throws {
    guard let data = Data(base64Encoded: try node.string()), data.count >= 4 else {
      throw node.error("expected a character map in base 64")
    }
    let bytes = [UInt8](data)
    func word(_ index: Int) -> UInt32 {
      UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2]) << 16
        | UInt32(bytes[index + 3]) << 24
    }
    let size = Int(word(0))
    guard size % 4 == 0, size > 0, size <= bytes.count - 4 else {
      throw node.error("the character map says it has \(size) bytes of tables, but holds \(bytes.count - 4)")
    }
    units = (0..<size / 4).map { word(4 + 4 * $0) }
    texts = Array(bytes[(4 + size)...])
    guard String(validating: texts, as: UTF8.self) != nil else {
      throw node.error("the texts of the character map are not UTF-8")
    }
  }

  private static func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 1 << 9) >> 6)) }

  /// What the shortest key that `text` starts with is replaced by; nil when there is no such key.
  private func replacement(_ text: UnsafeBufferPointer<UInt8>) -> ArraySlice<UInt8>? {
    var place = Self.offset(units[0])
    for byte in text {
      if byte == 0 { return nil }
      place ^= Int(byte)
      guard place < units.count else { return nil }
      let unit = units[place]
      guard unit & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
      place ^= Self.offset(unit)
      guard place < units.count else { return nil }
      if unit >> 8 & 1 == 1 {
        let start = Int(units[place] & (1 << 31 - 1))
        // A broken map must not cut into a character.
        guard start < texts.count, texts[start] & 0xC0 != 0x80 else { return nil }
        return texts[start..<(texts[start...].firstIndex(of: 0) ?? texts.count)]
      }
    }
    return nil
  }

  /// The text with every short grapheme cluster, or else every character of it, replaced that has a replacement.
  func applied(to text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    var index = 0
    func single(_ range: Range<Int>) {
      let piece = UnsafeBufferPointer(rebasing: text[range])
      if let new = replacement(piece) { output.append(contentsOf: new) } else { output.append(contentsOf: piece) }
    }
    while index < text.count {
      // A letter of ASCII with another behind it is a cluster of its own; only CR LF would not be.
      while index + 1 < text.count, text[index] < 0x80, text[index + 1] < 0x80, text[index] != 0x0D {
        single(index..<index + 1)
        index += 1
      }
      var end = index + 1
      while end < text.count, !(text[end - 1] < 0x80 && text[end] < 0x80 && text[end - 1] != 0x0D) { end += 1 }
      // Clusters of a stretch that ends between two characters of ASCII are those of the whole text.
      for cluster in String(decoding: text[index..<end], as: UTF8.self) {
        let count = cluster.utf8.count
        let piece = UnsafeBufferPointer(rebasing: text[index..<index + count])
        if count < 6, let new = replacement(piece) {
          output.append(contentsOf: new)
        } else {
          var start = index
          while start < index + count {
            let length = UTF8Text.length(text[start])
            single(start..<start + length)
            start += length
          }
        }
        index += count
      }
    }
    return output
  }
}
