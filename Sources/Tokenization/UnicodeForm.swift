import Foundation

/// The normalisation forms of Unicode Standard Annex 15.
enum UnicodeForm: Sendable {
  case composed
  case decomposed
  case compatiblyComposed
  case compatiblyDecomposed

  /// Whether text is surely in this form already: all its characters lie where none has a decomposition, a
  /// combining class or a partner to compose with.
  func leaves(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    // Below U+0300 nothing composes with anything, and every lead byte from there on is at least 0xCC. The other
    // forms change characters from U+00A0 on.
    let lowest: UInt8 = self == .composed ? 0xCC : 0x80
    return !text.contains { $0 >= lowest }
  }

  /// The text in this form.
  func applied(to text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    var run = String.UnicodeScalarView()
    func flush() {
      if !run.isEmpty { output.append(contentsOf: normalized(String(run)).utf8) }
      run = String.UnicodeScalarView()
    }
    UTF8Text.forEachScalar(of: text) { scalar, bytes in
      if Self.standsAlone(scalar) {
        flush()
        output.append(contentsOf: bytes)
      } else {
        run.append(scalar)
      }
    }
    flush()
    return output
  }

  private func normalized(_ text: String) -> String {
    switch self {
    case .composed: text.precomposedStringWithCanonicalMapping
    case .decomposed: text.decomposedStringWithCanonicalMapping
    case .compatiblyComposed: text.precomposedStringWithCompatibilityMapping
    case .compatiblyDecomposed: text.decomposedStringWithCompatibilityMapping
    }
  }

  /// Characters that must not be shown to the system's normalisation.
  private static func standsAlone(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    // Old Hangul letters compose with nothing, but the standard library takes some for modern ones.
    case 0x1113...0x1160, 0x1176...0x11A7, 0x11C3...0x11FF, 0xA960...0xA97C, 0xD7B0...0xD7FB: true
    default: false
    }
  }

  /// The general category Mark.
  static func isMark(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }
}
