/// Damages files the way that broken writers and ill will do: the same damage for the same seed.
///
///     var mutator = Mutator(seed: 1, tokens: ["\"dtype\"", "[["].map { Array($0.utf8) })
///     let damaged = mutator.mutate(bytes: good, corpus: [good, another])
///
/// One to four changes are made to a copy: bits, bytes, integers of 1 to 8 bytes in both orders set to values at which
/// arithmetic overflows, decimal numbers in texts replaced likewise, tokens of the format written in, runs of bytes
/// removed, repeated, swapped, or taken from another file of the corpus, and the end cut off. Half of the changes fall into
/// the first ``front`` bytes, where binary formats keep their structure.
package struct Mutator: RandomNumberGenerator {
  private var state: UInt64
  private let tokens: [[UInt8]]
  /// Bytes at the start of a file that half of the changes go to.
  private let front: Int
  /// No mutation makes a file longer than this, unless it was so before.
  private let maximumCount: Int

  /// - Parameters:
  ///   - tokens: pieces of the format's syntax that are worth writing anywhere.
  ///   - front: see ``Mutator``.
  ///   - maximumCount: bytes that a mutated file grows to at most.
  package init(seed: UInt64, tokens: [[UInt8]] = [], front: Int = 1024, maximumCount: Int = 1 << 20) {
    state = seed
    self.tokens = tokens.filter { !$0.isEmpty }
    self.front = front
    self.maximumCount = maximumCount
  }

  /// SplitMix64.
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }

  /// A damaged copy of `bytes`.
  ///
  /// - Parameter corpus: files of the same format, from which runs of bytes are spliced in.
  package mutating func mutate(bytes: [UInt8], corpus: [[UInt8]] = []) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...4, using: &self) { change(&result, corpus) }
    return result
  }

  private mutating func change(_ bytes: inout [UInt8], _ corpus: [[UInt8]]) {
    guard !bytes.isEmpty else {
      bytes = corpus.randomElement(using: &self) ?? [UInt8.random(in: 0...255, using: &self)]
      return
    }
    let place = place(in: bytes)
    let hasRoom = bytes.count < maximumCount
    switch Int.random(in: 0..<16, using: &self) {
    case 0, 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &self)
    case 2: bytes[place] = [0, 0xFF, 0x7F, 0x80, 0x20, 0x22, 0x5C, 0x0A].randomElement(using: &self)!
    case 3: bytes[place] = UInt8.random(in: 0...255, using: &self)
    case 4, 5, 6: setInteger(&bytes, at: place)
    case 7, 8: setDecimal(&bytes, from: place)
    case 9 where hasRoom: bytes.insert(UInt8.random(in: 0...255, using: &self), at: place)
    case 10: bytes.removeSubrange(run(from: place, in: bytes))
    case 11 where hasRoom: repeatRun(&bytes, at: place)
    case 12:
      let other = run(from: self.place(in: bytes), in: bytes)
      let copied = Array(bytes[other])
      let end = min(place + copied.count, bytes.count)
      bytes.replaceSubrange(place..<end, with: copied.prefix(end - place))
    case 13 where hasRoom: splice(&bytes, at: place, corpus)
    case 14 where hasRoom && !tokens.isEmpty:
      let token = tokens.randomElement(using: &self)!
      if Bool.random(using: &self) {
        bytes.insert(contentsOf: token, at: place)
      } else {
        bytes.replaceSubrange(place..<min(place + token.count, bytes.count), with: token)
      }
    default:
      // Rarely, as a file that ends early is refused before anything else is looked at.
      if Int.random(in: 0..<4, using: &self) == 0 {
        bytes.removeLast(Int.random(in: 0...bytes.count, using: &self))
      } else {
        bytes[place] &+= Bool.random(using: &self) ? 1 : 255
      }
    }
  }

  private mutating func place(in bytes: [UInt8]) -> Int {
    let limit = Bool.random(using: &self) ? min(front, bytes.count) : bytes.count
    return Int.random(in: 0..<limit, using: &self)
  }

  /// A run of bytes, short ones more often than long ones.
  private mutating func run(from place: Int, in bytes: [UInt8]) -> Range<Int> {
    let bits = Int.random(in: 0...12, using: &self)
    return place..<min(place + Int.random(in: 1...(1 << bits), using: &self), bytes.count)
  }

  /// Zero, ±1, and the neighbours of every power of two.
  private mutating func extreme() -> UInt64 {
    let power = UInt64(1) << UInt64.random(in: 0..<64, using: &self)
    return [0, 1, power, power &- 1, power &+ 1, 0 &- power].randomElement(using: &self)!
  }

  private mutating func setInteger(_ bytes: inout [UInt8], at place: Int) {
    let width = min([1, 2, 4, 8].randomElement(using: &self)!, bytes.count - place)
    let value = extreme()
    let isBigEndian = Int.random(in: 0..<4, using: &self) == 0
    for index in 0..<width {
      let shift = UInt64(8 * (isBigEndian ? width - 1 - index : index))
      bytes[place + index] = UInt8(truncatingIfNeeded: value >> shift)
    }
  }

  /// Replaces the next decimal number after `place`, in text formats; otherwise sets a byte.
  private mutating func setDecimal(_ bytes: inout [UInt8], from place: Int) {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    guard let start = bytes[place..<min(place + 4096, bytes.count)].firstIndex(where: digits.contains) else {
      bytes[place] = 0x30
      return
    }
    let end = bytes[start...].firstIndex { !digits.contains($0) } ?? bytes.count
    let value = extreme()
    let text =
      switch Int.random(in: 0..<8, using: &self) {
      case 0: "-\(value)"
      case 1: "\(value).5"
      case 2: "1e\(Int64(truncatingIfNeeded: value) % 400)"
      case 3: "\(value)\(value)"
      default: "\(value)"
      }
    bytes.replaceSubrange(start..<end, with: Array(text.utf8))
  }

  private mutating func repeatRun(_ bytes: inout [UInt8], at place: Int) {
    let run = Array(bytes[run(from: place, in: bytes)])
    let most = max((maximumCount - bytes.count) / run.count, 1)
    let times = min(Int.random(in: 1...(1 << Int.random(in: 0...10, using: &self)), using: &self), most)
    bytes.insert(contentsOf: repeatElement(run, count: times).joined(), at: place)
  }

  private mutating func splice(_ bytes: inout [UInt8], at place: Int, _ corpus: [[UInt8]]) {
    guard let other = corpus.randomElement(using: &self), !other.isEmpty else { return }
    let run = run(from: self.place(in: other), in: other)
    if Bool.random(using: &self) {
      bytes.insert(contentsOf: other[run], at: place)
    } else {
      bytes.replaceSubrange(place..<min(place + run.count, bytes.count), with: other[run])
    }
  }
}
