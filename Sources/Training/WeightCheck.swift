import Collectives
import Compute
import ModelDescription
import RunFolder
import Transformer

/// Compares what ranks hold as the model's weights, which has to be the same to the bit: memory that flips a bit, a core that
/// computes wrongly, or a link that damages data would else spoil a run without a sign.
///
/// Every rank hashes all weights, strip by strip of the buckets. The strips' owners have just stepped them, so where two
/// ranks differ the owner is taken to be right; where there are more than two, the most are.
package struct WeightCheck {
  private struct Strip {
    let range: Range<Int>
    /// nil: of weights that do not train, which nobody owns.
    let bucket: Int?
    let owner: Int?
  }

  private let model: Transformer
  private let communicator: Communicator
  /// Of the weights that train, then of those that an adapter leaves as they are.
  private let trained: [Strip]
  private let frozen: [Strip]

  package init(_ model: Transformer, layout: BucketLayout, communicator: Communicator) {
    self.model = model
    self.communicator = communicator
    trained = layout.buckets.indices.flatMap { bucket in
      layout.strips(of: bucket).enumerated().map { Strip(range: $1, bucket: bucket, owner: $0) }
    }
    let count = model.adapter == nil ? 0 : model.weights.count
    frozen = stride(from: 0, to: count, by: BucketLayout.defaultLength).map {
      Strip(range: $0..<min($0 + BucketLayout.defaultLength, count), bucket: nil, owner: nil)
    }
  }

  /// Collective: returns when all ranks hold the same weights.
  ///
  /// - Throws: 76 on all ranks, naming a rank whose weights differ, and where.
  package func verify() throws {
    guard communicator.size > 1 else { return }
    let hashes = ownHashes()
    let whole = Int64(bitPattern: hashes.withUnsafeBytes { ContentHash.quick($0) })
    var ends = [whole, ~whole]
    try communicator.maximum(&ends)
    guard ends[0] == ~ends[1] else { throw try difference(hashes) }
  }

  private func ownHashes() -> [UInt64] {
    let buffer = model.weights
    let base = buffer.floats.map { UnsafeRawBufferPointer($0.all) } ?? UnsafeRawBufferPointer(buffer.halves)
    let adapter = model.adapter.map { UnsafeRawBufferPointer($0.values.all) }
    let parts =
      trained.map { Self.bytes($0.range, of: adapter ?? base, width: adapter == nil ? buffer.type.byteCount : 4) }
      + frozen.map { Self.bytes($0.range, of: base, width: buffer.type.byteCount) }
    var hashes = [UInt64](repeating: 0, count: parts.count)
    hashes.withUnsafeMutableBufferPointer { hashes in
      // Each item writes an element of its own.
      nonisolated(unsafe) let hashes = hashes
      model.workers.run(parts.count) { item, _ in hashes[item] = ContentHash.quick(parts[item]) }
    }
    return hashes
  }

  private static func bytes(_ range: Range<Int>, of buffer: UnsafeRawBufferPointer, width: Int)
    -> UnsafeRawBufferPointer
  {
    UnsafeRawBufferPointer(rebasing: buffer[width * range.lowerBound..<width * range.upperBound])
  }

  private func difference(_ own: [UInt64]) throws -> TregError {
    let all = try communicator.allGather(bytes: own.withUnsafeBytes { Array($0) }).map { bytes in
      bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }
    }
    let hosts = try communicator.gatherTexts(communicator.hostName)
    let strips = trained + frozen
    // By rank: the first strip in which it is wrong, and in how many it is.
    var wrong: [Int: (first: Int, count: Int)] = [:]
    for index in strips.indices {
      let hashes = all.map { $0[index] }
      guard Set(hashes).count > 1 else { continue }
      var odd = Minority.of(hashes)
      if odd.count == hashes.count, let owner = strips[index].owner {
        odd = hashes.indices.filter { hashes[$0] != hashes[owner] }
      }
      for rank in odd { wrong[rank] = (wrong[rank]?.first ?? index, (wrong[rank]?.count ?? 0) + 1) }
    }
    guard let rank = wrong.keys.min(), let (first, count) = wrong[rank] else {
      return TregError(.ranksDisagree, "ranks disagree: a hash of the weights came out different", isOnAllRanks: true)
    }
    let others = wrong.keys.sorted().dropFirst().map { "rank \($0) (\(hosts[$0]))" }
    let whose = (["rank \(rank) (\(hosts[rank]))"] + others).joined(separator: " and ")
    let more = count > 1 ? ", and elsewhere in \(count - 1) more" : ""
    return TregError(
      .ranksDisagree,
      "ranks disagree: \(whose) \(others.isEmpty ? "holds" : "hold") other weights in \(name(of: strips[first]))\(more)",
      isOnAllRanks: true, culprit: TregError.Culprit(rank: rank, host: hosts[rank]))
  }

  private func name(of strip: Strip) -> String {
    let parameters = strip.bucket == nil ? model.description.parameters : model.trained.parameters
    let names = Self.name(of: strip.range, in: parameters)
    return strip.bucket.map { "bucket \($0) (\(names))" } ?? "weights that do not train (\(names))"
  }

  /// `model.layers.7.mlp.up_proj.weight`, or the first and the last of several.
  static func name(of range: Range<Int>, in parameters: [Parameter]) -> String {
    let names = parameters.filter { $0.range.overlaps(range) }.map(\.name)
    guard let first = names.first, let last = names.last else { return "no parameter" }
    return names.count == 1 ? first : "\(first) to \(last)"
  }
}
