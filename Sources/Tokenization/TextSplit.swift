/// What becomes of the text that a pattern matches (the names of tokenizer files).
enum SplitBehaviour: String, Sendable {
  case removed = "Removed"
  case isolated = "Isolated"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"
}

/// What a split looks for.
enum SplitMatcher: Sendable {
  case pattern(RegularExpression)
  /// Every single character of the Unicode property White_Space.
  case whiteSpace
  /// Every single character of ASCII punctuation or the general category Punctuation.
  case punctuation
  /// Runs of word characters, and runs of what is neither such nor white space.
  case words
  /// One character, in UTF-8.
  case character([UInt8])
}

/// One rule that cuts text into pieces.
struct TextSplit: Sendable {
  let matcher: SplitMatcher
  let behaviour: SplitBehaviour
  /// The text between matches counts as matched, and the matches as the text between.
  let inverted: Bool

  struct Part {
    var range: Range<Int>
    var matches: Bool
  }

  /// Calls `body` for each match and each stretch between two, in order, covering `text`.
  ///
  /// An empty match that touches the match before it does not count; after any empty match the search goes on one
  /// character later, as in Oniguruma's iterator.
  @inline(__always)
  func forEachPart(
    of text: UnsafeBufferPointer<UInt8>, workspace: MatchWorkspace, _ body: (Part) throws -> Void
  ) throws {
    switch matcher {
    case .pattern(let pattern): try forEachPart(of: text, pattern: pattern, workspace: workspace, body)
    case .whiteSpace: try forEachPart(of: text, where: { TextEdges.spaceLength(text, $0) }, body)
    case .punctuation:
      let classes = CharacterClasses.shared
      try forEachPart(
        of: text,
        where: { index in
          if text[index] & 0xC0 == 0x80 { return 0 }
          let (value, length) = UTF8Text.scalar(text, index)
          return classes[value].isPunctuation ? length : 0
        }, body)
    case .words: try forEachPart(of: text, where: { Self.wordLength(text, $0) }, body)
    case .character(let character):
      try forEachPart(
        of: text,
        where: { index in
          guard index + character.count <= text.count else { return 0 }
          for offset in 0..<character.count where text[index + offset] != character[offset] { return 0 }
          return character.count
        }, body)
    }
  }

  private static func wordLength(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    if text[start] & 0xC0 == 0x80 || TextEdges.spaceLength(text, start) > 0 { return 0 }
    let classes = CharacterClasses.shared
    let isWord = classes[UTF8Text.scalar(text, start).value].isWord
    var end = start
    while end < text.count, TextEdges.spaceLength(text, end) == 0 {
      let (value, length) = UTF8Text.scalar(text, end)
      if classes[value].isWord != isWord { break }
      end += length
    }
    return end - start
  }

  /// - Parameter length: bytes of the match at an index, 0 without one.
  @inline(__always)
  private func forEachPart(
    of text: UnsafeBufferPointer<UInt8>, where length: (Int) -> Int, _ body: (Part) throws -> Void
  ) throws {
    var index = 0
    var covered = 0
    while index < text.count {
      let count = length(index)
      guard count > 0 else {
        index += 1
        continue
      }
      if covered < index { try body(Part(range: covered..<index, matches: inverted)) }
      try body(Part(range: index..<index + count, matches: !inverted))
      index += count
      covered = index
    }
    if covered < text.count { try body(Part(range: covered..<text.count, matches: inverted)) }
  }

  @inline(__always)
  private func forEachPart(
    of text: UnsafeBufferPointer<UInt8>, pattern: RegularExpression, workspace: MatchWorkspace,
    _ body: (Part) throws -> Void
  ) throws {
    var search = 0
    var covered = 0
    var lastEnd = -1
    while search <= text.count, let match = try pattern.firstMatch(in: text, from: search, workspace: workspace) {
      if match.isEmpty {
        search = match.upperBound + Self.characterLength(text, match.upperBound)
        if match.upperBound == lastEnd { continue }
      } else {
        search = match.upperBound
      }
      lastEnd = match.upperBound
      if covered < match.lowerBound {
        try body(Part(range: covered..<match.lowerBound, matches: inverted))
      }
      try body(Part(range: match, matches: !inverted))
      covered = match.upperBound
    }
    if covered < text.count { try body(Part(range: covered..<text.count, matches: inverted)) }
  }

  private static func characterLength(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int {
    guard index < text.count else { return 1 }
    return switch text[index] {
    case 0xF0...: 4
    case 0xE0...: 3
    case 0xC0...: 2
    default: 1
    }
  }

  /// The pieces that parts give under a behaviour, in place; the order is kept.
  static func combine(_ parts: [Part], _ behaviour: SplitBehaviour) -> [Range<Int>] {
    var pieces: [Range<Int>] = []
    var previous = false
    switch behaviour {
    case .isolated: return parts.map(\.range)
    case .removed: return parts.filter { !$0.matches }.map(\.range)
    case .contiguous:
      for part in parts {
        if part.matches == previous, let last = pieces.popLast() {
          pieces.append(last.lowerBound..<part.range.upperBound)
        } else {
          pieces.append(part.range)
        }
        previous = part.matches
      }
    case .mergedWithPrevious:
      for part in parts {
        if part.matches, !previous, let last = pieces.popLast() {
          pieces.append(last.lowerBound..<part.range.upperBound)
        } else {
          pieces.append(part.range)
        }
        previous = part.matches
      }
    case .mergedWithNext:
      for part in parts.reversed() {
        if part.matches, !previous, let last = pieces.popLast() {
          pieces.append(part.range.lowerBound..<last.upperBound)
        } else {
          pieces.append(part.range)
        }
        previous = part.matches
      }
      pieces.reverse()
    }
    return pieces
  }
}
