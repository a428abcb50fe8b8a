extension DecodingStep {
  /// Turns the texts of tokens into those that the next step sees.
  func apply(to texts: inout [[UInt8]], workspace: MatchWorkspace) {
    switch self {
    case .byteLevel(let alphabet):
      var bytes: [UInt8] = []
      for text in texts {
        text.withUnsafeBufferPointer { if !alphabet.appendBytes(of: $0, to: &bytes) { bytes.append(contentsOf: $0) } }
      }
      texts = [Array(String(decoding: bytes, as: UTF8.self).utf8)]
    case .byteFallback: texts = Self.withBytesJoined(texts)
    case .fuse: texts = [Array(texts.joined())]
    case .strip(let character, let start, let stop):
      for index in texts.indices { texts[index] = Self.stripped(texts[index], character, start: start, stop: stop) }
    case .replace(let replacement):
      for index in texts.indices {
        // Only literal patterns are read for decoders, and those match in bounded time.
        guard
          let new = texts[index].withUnsafeBufferPointer({ text in
            replacement.leaves(text) ? nil : try? replacement.applied(to: text, workspace: workspace)
          })
        else { continue }
        texts[index] = new
      }
    case .metaspace(let metaspace):
      for index in texts.indices {
        texts[index] = metaspace.decoded(texts[index], isFirst: index == 0)
      }
    }
  }

  /// The byte that a token `<0xHH>` stands for.
  static func byte(_ text: [UInt8]) -> UInt8? {
    guard text.count == 6, text.starts(with: "<0x".utf8), text[5] == UInt8(ascii: ">") else { return nil }
    // A sign before the second digit is read as such by `tokenizers`.
    let digits = text[3] == UInt8(ascii: "+") ? text[4..<5] : text[3..<5]
    var value = 0
    for digit in digits {
      guard let four = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
      value = value << 4 | four
    }
    return UInt8(value)
  }

  private static func withBytesJoined(_ texts: [[UInt8]]) -> [[UInt8]] {
    var output: [[UInt8]] = []
    var bytes: [UInt8] = []
    func flush() {
      guard !bytes.isEmpty else { return }
      if String(validating: bytes, as: UTF8.self) != nil {
        output.append(bytes)
      } else {
        output.append(contentsOf: repeatElement(Array("\u{FFFD}".utf8), count: bytes.count))
      }
      bytes.removeAll()
    }
    for text in texts {
      if let byte = byte(text) {
        bytes.append(byte)
      } else {
        flush()
        output.append(text)
      }
    }
    flush()
    return output
  }

  private static func stripped(_ text: [UInt8], _ character: [UInt8], start: Int, stop: Int) -> [UInt8] {
    var rest = text[...]
    var taken = 0
    while taken < start, rest.starts(with: character) {
      rest = rest.dropFirst(character.count)
      taken += 1
    }
    taken = 0
    while taken < stop, rest.count >= character.count, rest.suffix(character.count).elementsEqual(character) {
      rest = rest.dropLast(character.count)
      taken += 1
    }
    return Array(rest)
  }

  /// Reads `decoder` of a tokenizer file.
  static func read(_ node: FileNode, depth: Int = 0) throws -> [DecodingStep] {
    guard depth < 8 else { throw node.error("nested deeper than 8 levels") }
    switch try node.type() {
    case "ByteLevel": return [.byteLevel(ByteAlphabet())]
    case "ByteFallback": return [.byteFallback]
    case "Fuse": return [.fuse]
    case "Metaspace": return [.metaspace(try Metaspace(node))]
    case "Replace":
      if let pattern = node["pattern"]?["Regex"] {
        throw pattern.error("a regular expression in a decoder is not supported")
      }
      return [.replace(try TextReplacement(node))]
    case "Strip":
      let content = try node.required("content")
      let text = try content.string()
      guard text.unicodeScalars.count == 1 else { throw content.error("expected one character, found \"\(text)\"") }
      func count(_ key: String) throws -> Int {
        let node = try node.required(key)
        let value = try node.integer()
        guard value >= 0 else { throw node.error("expected a count, found \(value)") }
        return value
      }
      return [.strip(character: Array(text.utf8), start: try count("start"), stop: try count("stop"))]
    case "Sequence":
      return try node.required("decoders").elements().flatMap { try read($0, depth: depth + 1) }
    case let type: throw node.error("the decoder \(type) is not supported")
    }
  }
}

extension Metaspace {
  /// A token's text with blanks for marks.
  func decoded(_ text: [UInt8], isFirst: Bool) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      if text[index...].starts(with: mark) {
        if !isFirst || scheme == .never { output.append(UInt8(ascii: " ")) }
        index += mark.count
      } else {
        output.append(text[index])
        index += 1
      }
    }
    return output
  }
}
