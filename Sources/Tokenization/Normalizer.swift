import Foundation

/// What happens to text before it is cut into words.
enum Normalizer: Sendable {
  /// Unicode normalisation form C.
  case composed

  /// Reads `normalizer` of a tokenizer file: `NFC`, or a `Sequence` of such.
  static func read(_ node: FileNode, depth: Int = 0) throws -> Normalizer? {
    guard depth < 8 else { throw node.error("nested deeper than 8 levels") }
    switch try node.type() {
    case "NFC": return .composed
    case "Sequence":
      // Composing twice changes nothing.
      return try node.required("normalizers").elements().compactMap { try read($0, depth: depth + 1) }.first
    case let type: throw node.error("the normalizer \(type) is not supported; supported are NFC and Sequence")
    }
  }

  /// The normalised text; nil when that is the text itself.
  func normalized(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    // Below U+0300 nothing composes with anything, and every lead byte from there on is at least 0xCC.
    guard text.contains(where: { $0 >= 0xCC }) else { return nil }
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    var run = String.UnicodeScalarView()
    func flush() {
      if !run.isEmpty { output.append(contentsOf: String(run).precomposedStringWithCanonicalMapping.utf8) }
      run = String.UnicodeScalarView()
    }
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      // Old Hangul letters compose with nothing, but the standard library takes some for modern ones.
      if Self.isOldHangul(scalar) {
        flush()
        output.append(contentsOf: UTF8.encode(scalar)!)
      } else {
        run.append(scalar)
      }
    }
    flush()
    return output
  }

  private static func isOldHangul(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x1113...0x1160, 0x1176...0x11A7, 0x11C3...0x11FF, 0xA960...0xA97C, 0xD7B0...0xD7FB: true
    default: false
    }
  }
}
