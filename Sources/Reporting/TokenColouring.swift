/// Tokens coloured by their rewards: red for those that speak against a response, blue for those in its favour, the
/// terminal's own colour near zero. Red and blue stay apart for colour-blind eyes.
///
/// Without colour a number follows each token that is not near zero: `wrong[-0.31]`.
package struct TokenColouring: Sendable {
  /// How much a token stands out; without colour all are alike.
  package enum Emphasis: Sendable {
    case dim, plain, bright

    fileprivate var code: String? {
      switch self {
      case .dim: "2"
      case .plain: nil
      case .bright: "1"
      }
    }
  }

  private let palette: Terminal.Palette
  /// The reward that is shown in full colour, above 0; larger ones look the same.
  private let scale: Double

  package init(_ palette: Terminal.Palette, scale: Double = 0.5) {
    precondition(scale > 0, "the scale of colours is above 0")
    self.palette = palette
    self.scale = scale
  }

  /// One token. Control characters are shown, never sent: texts of data files must not steer a terminal.
  ///
  /// - Parameter reward: nil for tokens that have none, such as the prompt's.
  package func text(of token: String, reward: Double?, emphasis: Emphasis = .plain) -> String {
    let shown = Self.visible(token)
    let strength = reward.map { $0.isFinite ? min(1, abs($0) / scale) : 0 } ?? 0
    guard palette != .none else {
      return strength >= 0.1 ? shown + "[\(NumberFormat.signed(reward!, decimals: 2))]" : shown
    }
    let codes = [emphasis.code, strength >= 0.1 ? background(strength, isPositive: reward! > 0) : nil].compactMap(
      \.self)
    if codes.isEmpty { return shown }
    let start = "\u{1B}[" + codes.joined(separator: ";") + "m"
    // A coloured background must not run on past a line's end.
    return shown.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.isEmpty ? "" : start + $0 + "\u{1B}[0m" }.joined(separator: "\n")
  }

  /// What the colours mean, in one line.
  package var legend: String {
    let marks = [-1.0, -0.5, 0, 0.5, 1].map { share in
      let value = NumberFormat.signed(share * scale, decimals: 2)
      return palette == .none ? value : text(of: " \(value) ", reward: share * scale)
    }
    return palette == .none
      ? "numbers in brackets are token rewards; those within ±\(NumberFormat.fixed(scale * 0.1, decimals: 3)) are left out"
      : "token rewards: " + marks.joined()
  }

  /// SGR parameters of a background between white and the full colour, with black or white letters on it.
  private func background(_ strength: Double, isPositive: Bool) -> String {
    let full: (Double, Double, Double) = isPositive ? (33, 102, 172) : (178, 24, 43)
    let mix = { (end: Double) in Int((255 + (end - 255) * strength).rounded()) }
    let (red, green, blue) = (mix(full.0), mix(full.1), mix(full.2))
    let letters = strength > 0.6 ? "97" : "30"
    if palette == .full { return "48;2;\(red);\(green);\(blue);\(letters)" }
    let level = { (value: Int) in (value * 5 + 127) / 255 }
    return "48;5;\(16 + 36 * level(red) + 6 * level(green) + level(blue));\(letters)"
  }

  /// Line feeds stay behind a mark; other control characters become their code.
  package static func visible(_ text: String) -> String { visible(text, lineFeed: "⏎\n") }

  /// The same in one line.
  package static func visibleLine(_ text: String) -> String { visible(text, lineFeed: "⏎") }

  private static func visible(_ text: String, lineFeed: String) -> String {
    var output = ""
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case _ where scalar == "\n": output += lineFeed
      case _ where scalar == "\t": output += "⇥"
      case .control, .format, .lineSeparator, .paragraphSeparator:
        output += scalar == "\u{200D}" ? "\u{200D}" : "<" + String(scalar.value, radix: 16, uppercase: true) + ">"
      default: output.unicodeScalars.append(scalar)
      }
    }
    return output
  }
}
