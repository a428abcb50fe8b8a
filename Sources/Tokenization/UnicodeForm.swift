/// The normalisation forms of Unicode Standard Annex 15, with the characters of Unicode 9, as `tokenizers` has them.
enum UnicodeForm: UInt8, Sendable {
  case composed
  case decomposed
  case compatiblyComposed
  case compatiblyDecomposed

  static let composingBits: UInt8 = 0b0101
  static let canonicalBits: UInt8 = 0b0011

  private var bit: UInt8 { 1 << rawValue }
  private var composes: Bool { bit & Self.composingBits != 0 }
  private var isCompatible: Bool { bit & Self.canonicalBits == 0 }

  /// Below this byte no text changes: nothing under U+0300 composes with anything, and every lead byte from there on is
  /// at least 0xCC. The other forms change characters from U+00A0 on.
  private var lowestByte: UInt8 { self == .composed ? 0xCC : 0x80 }

  /// Whether text surely stays as it is: every character may be copied, whatever stands around it.
  func leaves(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let lowest = lowestByte
    guard let start = text.firstIndex(where: { $0 >= lowest }) else { return true }
    let data = NormalizationData.shared
    var index = start
    while index < text.count {
      if text[index] < lowest {
        index += 1
        continue
      }
      let (value, length) = UTF8Text.scalar(text, index)
      if data[value].stable & bit == 0 { return false }
      index += length
    }
    return true
  }

  /// The text in this form.
  func applied(to text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    let data = NormalizationData.shared
    var output: [UInt8] = []
    output.reserveCapacity(text.count + text.count / 4)
    var copied = 0
    var lastStable = 0
    var index = 0
    var run: [UInt32] = []
    while index < text.count {
      let (value, length) = UTF8Text.scalar(text, index)
      if data[value].stable & bit != 0 {
        lastStable = index
        index += length
        continue
      }
      // A run starts with the character before it, which may compose with what follows, and ends before the next that
      // may be copied.
      let start = composes ? max(lastStable, copied) : index
      output.append(contentsOf: text[copied..<start])
      run.removeAll(keepingCapacity: true)
      var end = start
      while end < text.count {
        let (value, length) = UTF8Text.scalar(text, end)
        if end > index, data[value].stable & bit != 0 { break }
        decompose(value, data, into: &run)
        end += length
      }
      Self.order(&run, data)
      if composes { Self.compose(&run, data) }
      for value in run { UTF8Text.append(Unicode.Scalar(value) ?? "\u{FFFD}", to: &output) }
      copied = end
      lastStable = end
      index = end
    }
    output.append(contentsOf: text[copied...])
    return output
  }

  private func decompose(_ value: UInt32, _ data: NormalizationData, into run: inout [UInt32]) {
    if value >= 0xAC00, value <= 0xD7A3 {
      let offset = value - 0xAC00
      run.append(0x1100 + offset / 588)
      run.append(0x1161 + offset % 588 / 28)
      if offset % 28 > 0 { run.append(0x11A7 + offset % 28) }
      return
    }
    let entry = data[value]
    let index = isCompatible && entry.compatible > 0 ? entry.compatible : entry.canonical
    if index > 0 { run.append(contentsOf: data.targets[Int(index) - 1]) } else { run.append(value) }
  }

  /// Puts marks in a row in the order of their combining classes, keeping the order within a class.
  private static func order(_ run: inout [UInt32], _ data: NormalizationData) {
    var start = 0
    while start < run.count {
      guard data[run[start]].combiningClass > 0 else {
        start += 1
        continue
      }
      var end = start
      while end < run.count, data[run[end]].combiningClass > 0 { end += 1 }
      if end - start > 1 {
        let sorted = run[start..<end].enumerated().sorted {
          (data[$0.element].combiningClass, $0.offset) < (data[$1.element].combiningClass, $1.offset)
        }
        for (offset, pair) in sorted.enumerated() { run[start + offset] = pair.element }
      }
      start = end
    }
  }

  private static func compose(_ run: inout [UInt32], _ data: NormalizationData) {
    var starter = -1
    var lastClass: UInt8 = 0
    var end = 0
    for value in run {
      let combiningClass = data[value].combiningClass
      // A mark is blocked from the starter by one of its own or a higher class between them.
      let isBlocked = starter < 0 || (end > starter + 1 && lastClass >= combiningClass)
      if !isBlocked, data[value].composes, let composite = composite(run[starter], value, data) {
        run[starter] = composite
        continue
      }
      if combiningClass == 0 { starter = end }
      lastClass = combiningClass
      run[end] = value
      end += 1
    }
    run.removeLast(run.count - end)
  }

  private static func composite(_ first: UInt32, _ second: UInt32, _ data: NormalizationData) -> UInt32? {
    if first >= 0x1100, first <= 0x1112, second >= 0x1161, second <= 0x1175 {
      return 0xAC00 + ((first - 0x1100) * 21 + second - 0x1161) * 28
    }
    if first >= 0xAC00, first <= 0xD7A3, (first - 0xAC00) % 28 == 0, second >= 0x11A8, second <= 0x11C2 {
      return first + second - 0x11A7
    }
    return data.composition(first, second)
  }

  /// The general category Mark.
  static func isMark(_ scalar: Unicode.Scalar) -> Bool { NormalizationData.shared[scalar.value].isMark }
}
