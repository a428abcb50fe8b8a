import Collectives
import Compute
import ModelDescription
import Reporting
import RunFolder
import Transformer

/// The weights that train, as the optimizer steps them: fp32 numbers, laid out as ``Transformer/trained``.
///
/// fp32 weights and adapters are stepped where the model holds them. Where its weights have two bytes, every rank keeps
/// fp32 masters of what it owns, and what ranks send each other are the masters' rounded values. They start as the
/// model's: a number that loading rounded stays rounded.
package final class MasterWeights {
  private let model: Transformer
  private let communicator: Communicator
  private let layout: BucketLayout
  /// Whether ranks own different parts, rather than each of them all.
  private let areDivided: Bool
  /// What this rank owns, ascending.
  private let ranges: [Range<Int>]
  /// Of the own ranges, which follow each other here; nil where the model's own numbers are the masters.
  private let masters: FloatBuffer?
  /// Brings the other ranks' parts while the next pass goes on; nil: they are there when ``publish()`` returns.
  private let arrival: WeightArrival?
  private var gatherSeconds = 0.0
  private let stopwatch = Stopwatch()
  /// Numbers that one thread rounds at a time.
  private static let piece = 1 << 18
  /// Numbers that are copied between two signs of life.
  private static let copied = 1 << 24

  /// - Parameter overlaps: whether what ranks send each other may arrive during the next forward pass. Not so for weights of
  ///   two bytes, whose norms and biases are widened once all of them are there.
  init(_ model: Transformer, communicator: Communicator, layout: BucketLayout, areDivided: Bool, overlaps: Bool = false)
    throws(TregError)
  {
    self.model = model
    self.communicator = communicator
    self.layout = layout
    self.areDivided = areDivided
    ranges = areDivided ? layout.ranges(of: communicator.rank) : [0..<layout.count]
    if model.adapter == nil, model.weights.floats == nil {
      masters = FloatBuffer(count: ranges.reduce(0) { $0 + $1.count })
    } else {
      masters = nil
    }
    if overlaps, areDivided, masters == nil, communicator.size > 1 {
      arrival = try WeightArrival(
        model, values: (model.adapter?.values ?? model.weights.floats!).all, layout: layout, communicator: communicator)
    } else {
      arrival = nil
    }
    if let masters {
      forEachRange { range, place in
        model.weights.read(from: range.lowerBound, count: range.count, into: masters.pointer + place)
      }
    }
  }

  /// Calls `body` with each own range, the longest in pieces, and its place among the masters.
  private func forEachRange(_ body: (_ range: Range<Int>, _ place: Int) -> Void) {
    var place = 0
    for range in ranges {
      for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.copied) {
        let part = first..<min(first + Self.copied, range.upperBound)
        body(part, place)
        place += part.count
        Pulse.beat()
      }
    }
  }

  /// The model's own numbers, all of them, where they are the masters.
  private var whole: FloatBuffer? { model.adapter?.values ?? model.weights.floats }

  /// What the optimizer steps: all numbers, or where ``areCompact`` is true the masters of the own ranges alone.
  package var stepped: UnsafeMutablePointer<Float> { masters?.pointer ?? whole!.pointer }
  package var areCompact: Bool { masters != nil }

  /// Collective: makes what the masters have become the model's weights, on all ranks. They may still be arriving: passes wait
  /// for what they read, and for all others there is ``settle()``.
  ///
  /// - Throws: 79 naming a tensor with a number that is too large for the weights' type.
  func publish() throws {
    if let arrival { return try arrival.begin() }
    guard masters != nil else { return try gather(whole!.all) }
    let isFinite = round()
    try communicator.agree { if !isFinite { throw overflow() } }
    try gather(model.weights.halves)
    model.weightsChanged()
  }

  /// Collective: returns when the published weights are on all ranks.
  package func settle() throws { try arrival?.finish() }

  /// Seconds that this rank stood still for weights on their way.
  var waitedSeconds: Double { arrival?.waitedSeconds ?? gatherSeconds }

  /// Collective: every rank's ranges to all.
  private func gather<Element: BitwiseCopyable>(_ buffer: UnsafeMutableBufferPointer<Element>) throws {
    let start = stopwatch.seconds
    if areDivided { try communicator.allGather(buffer, layout: layout) }
    gatherSeconds += stopwatch.seconds - start
  }

  /// Rounds what is owned into the model; whether all of it fits.
  private func round() -> Bool {
    var pieces: [(range: Range<Int>, place: Int)] = []
    forEachRange { range, place in
      for start in stride(from: 0, to: range.count, by: Self.piece) {
        let first = range.lowerBound + start
        pieces.append((first..<min(first + Self.piece, range.upperBound), place + start))
      }
    }
    var fits = [Bool](repeating: true, count: pieces.count)
    fits.withUnsafeMutableBufferPointer { fits in
      // Each item writes an element of its own.
      nonisolated(unsafe) let fits = fits
      model.workers.run(pieces.count) { [pieces] item, _ in
        let (range, place) = pieces[item]
        fits[item] = model.weights.write(masters!.pointer + place, count: range.count, to: range.lowerBound)
      }
    }
    return fits.allSatisfy(\.self)
  }

  private func overflow() -> TregError {
    let type = model.weights.type.rawValue
    let limit: Float = model.weights.type == .float16 ? 65_520 : .infinity
    var found: TregError?
    forEachRange { range, place in
      for parameter in model.trained.parameters where found == nil && parameter.range.overlaps(range) {
        let owned = parameter.range.clamped(to: range)
        let values = UnsafeBufferPointer(
          start: masters!.pointer + place + owned.lowerBound - range.lowerBound, count: owned.count)
        guard let value = values.first(where: { !(abs($0) < limit) }) else { continue }
        found = TregError(
          .nonFinite, at: parameter.name,
          "a weight has become \(value), which \(type) does not hold; "
            + "train with --weights bfloat16 or float32, or at a lower learning_rate")
      }
    }
    if let found { return found }
    return TregError(.nonFinite, "a weight has become too large for \(type)")
  }

  /// Collective: all masters, in the model's own buffer or in `room`, which is overwritten then.
  package func all(in room: FloatBuffer) throws -> FloatBuffer {
    try settle()
    guard let masters else { return whole! }
    forEachRange { range, place in
      room.slice(range).update(fromContentsOf: masters.slice(place..<place + range.count))
    }
    try gather(room.all)
    return room
  }

  /// Collective: takes the masters that rank 0 read, and makes them the model's weights.
  ///
  /// - Parameters:
  ///   - room: where they are read to, unless the model's own buffer takes them.
  ///   - read: fills a buffer; called on rank 0 alone.
  func restore(in room: FloatBuffer, _ read: (UnsafeMutableBufferPointer<Float>) throws -> Void) throws {
    try settle()
    let values = whole ?? room
    try communicator.agree { if communicator.rank == 0 { try read(values.all) } }
    try communicator.broadcast(values.all, from: 0)
    guard let masters else { return }
    forEachRange { range, place in
      masters.slice(place..<place + range.count).update(fromContentsOf: values.slice(range))
    }
    try publish()
  }
}

extension UnsafeMutableBufferPointer<Float> {
  fileprivate func update(fromContentsOf other: UnsafeMutableBufferPointer<Float>) {
    guard let start = baseAddress, let source = other.baseAddress else { return }
    start.update(from: source, count: other.count)
  }
}
