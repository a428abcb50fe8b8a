/// The byte alphabet of GPT-2's byte-level BPE: every byte has a printable character that stands for it in the
/// vocabulary of a tokenizer file.
///
/// Bytes 33…126, 161…172 and 174…255 stand for themselves as code points; the 68 others, in order, are
/// U+0100…U+0143. Source: `bytes_to_unicode` of GPT-2's encoder.
struct ByteAlphabet: Sendable {
  /// The code point of every byte.
  let scalars: [UInt16]
  /// The byte of every code point below `bytes.count`; -1 for those that stand for none.
  let bytes: [Int16]

  init() {
    var scalars: [UInt16] = []
    var next: UInt16 = 0x100
    for byte in UInt16(0)...255 {
      switch byte {
      case 33...126, 161...172, 174...255: scalars.append(byte)
      default:
        scalars.append(next)
        next += 1
      }
    }
    var bytes = [Int16](repeating: -1, count: Int(next))
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
    self.scalars = scalars
    self.bytes = bytes
  }

  /// Appends the UTF-8 of the character that stands for `byte`.
  func append(_ byte: UInt8, to output: inout [UInt8]) {
    let scalar = scalars[Int(byte)]
    if scalar < 0x80 {
      output.append(UInt8(scalar))
    } else {
      output.append(UInt8(0xC0 | scalar >> 6))
      output.append(UInt8(0x80 | scalar & 0x3F))
    }
  }

  /// Bytes of UTF-8 that the characters of `bytes` take.
  func spelledCount(of bytes: some Sequence<UInt8>) -> Int {
    bytes.reduce(0) { $0 + (scalars[Int($1)] < 0x80 ? 1 : 2) }
  }

  /// Appends the bytes that a token's text stands for; appends nothing and gives false when a character is not of
  /// the alphabet.
  func appendBytes(of text: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) -> Bool {
    let start = output.count
    var index = 0
    while index < text.count {
      var scalar = Int(text[index])
      index += 1
      if scalar >= 0x80 {
        // The alphabet ends at U+0143, so only sequences of two bytes can belong to it.
        guard scalar < 0xE0, index < text.count else { break }
        scalar = (scalar & 0x1F) << 6 | Int(text[index] & 0x3F)
        index += 1
      }
      guard scalar < bytes.count, bytes[scalar] >= 0 else { break }
      output.append(UInt8(bytes[scalar]))
      if index == text.count { return true }
    }
    output.removeLast(output.count - start)
    return text.isEmpty
  }
}
