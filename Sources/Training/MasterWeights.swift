import Collectives
import Compute
import ModelDescription
import RunFolder
import Transformer

/// The weights that train, as the optimizer steps them: fp32 numbers, laid out as ``Transformer/trained``.
///
/// fp32 weights and adapters are stepped where the model holds them. Where its weights have two bytes, every rank keeps
/// fp32 masters of its own shard, and what ranks send each other are the masters' rounded values. They start as the
/// model's: a number that loading rounded stays rounded.
package final class MasterWeights {
  private let model: Transformer
  private let communicator: Communicator
  /// Every rank's part.
  private let shards: [Range<Int>]
  /// Whether ranks own different parts, rather than each of them all.
  private let areDivided: Bool
  /// Of the own shard; nil where the model's own numbers are the masters.
  private let masters: FloatBuffer?
  /// Numbers that one thread rounds at a time.
  private static let piece = 1 << 18

  init(_ model: Transformer, communicator: Communicator, shards: [Range<Int>], areDivided: Bool) {
    self.model = model
    self.communicator = communicator
    self.shards = shards
    self.areDivided = areDivided
    if model.adapter == nil, model.weights.floats == nil {
      masters = FloatBuffer(count: shards[communicator.rank].count)
    } else {
      masters = nil
    }
    if let masters { model.weights.read(from: shard.lowerBound, count: shard.count, into: masters.pointer) }
  }

  private var shard: Range<Int> { shards[communicator.rank] }

  /// The model's own numbers, all of them, where they are the masters.
  private var whole: FloatBuffer? { model.adapter?.values ?? model.weights.floats }

  /// The masters of this rank's shard.
  package var own: UnsafeMutablePointer<Float> { masters?.pointer ?? whole!.pointer + shard.lowerBound }

  /// Collective: makes what the masters have become the model's weights, on all ranks.
  ///
  /// - Throws: 79 naming a tensor with a number that is too large for the weights' type.
  func publish() throws {
    guard masters != nil else {
      if areDivided { try communicator.allGather(whole!.all, shards: shards) }
      return
    }
    let isFinite = round()
    try communicator.agree { if !isFinite { throw overflow() } }
    if areDivided { try communicator.allGather(model.weights.halves, shards: shards) }
    model.weightsChanged()
  }

  /// Rounds the own shard into the model; whether all of it fits.
  private func round() -> Bool {
    let pieces = Panels(shard.count, limit: Self.piece, multiple: 16)
    var fits = [Bool](repeating: true, count: pieces.count)
    fits.withUnsafeMutableBufferPointer { fits in
      // Each item writes an element of its own.
      nonisolated(unsafe) let fits = fits
      model.workers.run(pieces.count) { item, _ in
        let part = pieces[item]
        fits[item] = model.weights.write(
          own + part.lowerBound, count: part.count, to: shard.lowerBound + part.lowerBound)
      }
    }
    return fits.allSatisfy(\.self)
  }

  private func overflow() -> TregError {
    let type = model.weights.type.rawValue
    let limit: Float = model.weights.type == .float16 ? 65_520 : .infinity
    for parameter in model.trained.parameters {
      for place in parameter.range.clamped(to: shard) where !(abs(own[place - shard.lowerBound]) < limit) {
        return TregError(
          .nonFinite, at: parameter.name,
          "a weight has become \(own[place - shard.lowerBound]), which \(type) does not hold; "
            + "train with --weights bfloat16 or float32, or at a lower learning_rate")
      }
    }
    return TregError(.nonFinite, "a weight has become too large for \(type)")
  }

  /// Collective: all masters, in the model's own buffer or in `room`, which is overwritten then.
  package func all(in room: FloatBuffer) throws -> FloatBuffer {
    guard let masters else { return whole! }
    room.slice(shard).update(fromContentsOf: masters.all)
    if areDivided { try communicator.allGather(room.all, shards: shards) }
    return room
  }

  /// Collective: takes the masters that rank 0 read, and makes them the model's weights.
  ///
  /// - Parameters:
  ///   - room: where they are read to, unless the model's own buffer takes them.
  ///   - read: fills a buffer; called on rank 0 alone.
  func restore(in room: FloatBuffer, _ read: (UnsafeMutableBufferPointer<Float>) throws -> Void) throws {
    let values = whole ?? room
    try communicator.agree { if communicator.rank == 0 { try read(values.all) } }
    try communicator.broadcast(values.all, from: 0)
    guard let masters else { return }
    masters.all.update(fromContentsOf: values.slice(shard))
    try publish()
  }
}

extension UnsafeMutableBufferPointer<Float> {
  fileprivate func update(fromContentsOf other: UnsafeMutableBufferPointer<Float>) {
    guard let start = baseAddress, let source = other.baseAddress else { return }
    start.update(from: source, count: other.count)
  }
}
