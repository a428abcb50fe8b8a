/// What happens to text before it is cut into words.
indirect enum Normalizer: Sendable {
  case form(UnicodeForm)
  /// Every character by its own lower-case mapping, without regard to its neighbours.
  case lowercase
  /// White space at the ends is removed.
  case strip(left: Bool, right: Bool)
  /// Characters of the category Mark are removed.
  case stripAccents
  case replace(TextReplacement)
  /// Goes before any text that is not empty.
  case prepend([UInt8])
  /// Control characters removed, unusual white space made blanks, as SentencePiece's `nmt` rule does.
  case nmt
  /// A table of replacements that SentencePiece has compiled.
  case characterMap(CharacterMap)
  /// Every byte by its character of the byte alphabet.
  case byteLevel(ByteAlphabet)
  case sequence([Normalizer])

  /// Whether the text stays as it is; asked first, because most text does under most rules.
  private func leaves(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    switch self {
    case .form(let form): form.leaves(text)
    case .replace(let replacement): replacement.leaves(text)
    case .sequence(let steps): steps.allSatisfy { $0.leaves(text) }
    default: text.isEmpty
    }
  }

  /// The normalised text; nil when that is the text itself.
  ///
  /// - Parameter isAtStart: whether the text starts where the whole encoded text starts.
  /// - Throws: ``TregError`` (65) when a pattern takes too many steps on the text.
  func normalized(
    _ text: UnsafeBufferPointer<UInt8>, isAtStart: Bool, workspace: MatchWorkspace
  ) throws -> NormalizedText? {
    if leaves(text) { return nil }
    var result = NormalizedText(text, isAtStart: isAtStart)
    try apply(to: &result, workspace: workspace)
    return result
  }

  private func apply(to text: inout NormalizedText, workspace: MatchWorkspace) throws {
    if text.bytes.withUnsafeBufferPointer({ leaves($0) }) { return }
    switch self {
    case .sequence(let steps):
      for step in steps { try step.apply(to: &text, workspace: workspace) }
    case .prepend(let prefix):
      if text.originCount > 0 { text.originCount += prefix.count }
      text.bytes.insert(contentsOf: prefix, at: 0)
    case .replace(let replacement):
      try replacement.apply(to: &text, workspace: workspace)
    case .form(let form):
      let (bytes, first) = text.bytes.withUnsafeBufferPointer { bytes in
        let first = UnsafeBufferPointer(rebasing: bytes[..<UTF8Text.firstLength(bytes)])
        return (form.applied(to: bytes), text.originCount > 0 ? form.applied(to: first) : [])
      }
      let isExpanded = first.count > first.withUnsafeBufferPointer { UTF8Text.firstLength($0) }
      text.replace(with: bytes, keepsOrigin: true)
      if isExpanded { text.originCount = min(first.count, bytes.count) }
    case .characterMap(let map):
      text.replace(with: text.bytes.withUnsafeBufferPointer { map.applied(to: $0) }, keepsOrigin: true)
    case .strip(let left, let right):
      let range = text.bytes.withUnsafeBufferPointer { bytes in
        let start = left ? TextEdges.endOfLeadingSpace(bytes[...]) : 0
        let end = right ? TextEdges.startOfTrailingSpace(bytes[...]) : bytes.count
        return start..<max(start, end)
      }
      text.replace(with: Array(text.bytes[range]), keepsOrigin: range.lowerBound == 0)
    case .lowercase, .stripAccents, .nmt, .byteLevel:
      var output: [UInt8] = []
      output.reserveCapacity(text.bytes.count)
      var keepsOrigin = true
      text.bytes.withUnsafeBufferPointer { bytes in
        UTF8Text.forEachScalar(of: bytes) { scalar, piece in
          if !append(scalar, piece, to: &output), output.isEmpty { keepsOrigin = false }
        }
      }
      text.replace(with: output, keepsOrigin: keepsOrigin)
    }
  }

  /// Appends what becomes of one character; false when that is nothing.
  private func append(_ scalar: Unicode.Scalar, _ bytes: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) -> Bool {
    switch self {
    case .lowercase:
      if scalar.isASCII {
        output.append(scalar >= "A" && scalar <= "Z" ? bytes[0] | 0x20 : bytes[0])
      } else {
        output.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
      }
    case .stripAccents:
      if UnicodeForm.isMark(scalar) { return false }
      output.append(contentsOf: bytes)
    case .nmt:
      switch scalar.value {
      case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: return false
      case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: output.append(0x20)
      default: output.append(contentsOf: bytes)
      }
    case .byteLevel(let alphabet):
      for byte in bytes { alphabet.append(byte, to: &output) }
    default: preconditionFailure("not a rule for single characters")
    }
    return true
  }
}
