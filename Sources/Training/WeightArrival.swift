import Collectives
import Compute
import Reporting
import RunFolder
import Transformer

/// Stepped weights on their way from their owners to all ranks while the next forward pass goes on.
///
/// The buffer lies in backward order, so its buckets come from the last one to the first: the embedding, then layer by layer as
/// the pass needs them. A pass waits for what it is about to read alone.
final class WeightArrival {
  /// Seconds that passes stood still for weights that were not there yet, and for looks at the network.
  private(set) var waitedSeconds = 0.0

  private let model: Transformer
  private let layout: BucketLayout
  private let stream: ShardStream
  private let stopwatch = Stopwatch()
  private var lastLook = 0.0
  /// By bucket: where it ends in the stream.
  private var marks: [ShardStream.Mark] = []
  /// The lowest bucket that is known to be there.
  private var arrived: Int
  private var failure: TregError?

  /// Seconds between two looks at the network; each takes microseconds.
  private static let interval = 0.0005

  /// - Parameter values: the weights that train, laid out as ``Transformer/trained``.
  init(
    _ model: Transformer, values: UnsafeMutableBufferPointer<Float>, layout: BucketLayout, communicator: Communicator
  ) throws(TregError) {
    self.model = model
    self.layout = layout
    arrived = layout.buckets.count
    stream = try ShardStream(copying: values, communicator)
  }

  /// Collective: every rank's ranges begin to travel. Until ``finish()`` nobody writes to the weights.
  func begin() throws(TregError) {
    var ends: [ShardStream.Mark] = []
    for bucket in layout.buckets.indices.reversed() { ends.append(try stream.extend(layout.strips(of: bucket))) }
    marks = ends.reversed()
    arrived = marks.count
    model.awaitWeights = { [unowned self] range in wait(for: range) }
    model.workers.interlude = { [unowned self] in look() }
  }

  /// Collective: returns when all weights are there and nothing is under way.
  func finish() throws(TregError) {
    guard !marks.isEmpty else { return }
    model.awaitWeights = nil
    model.workers.interlude = nil
    marks = []
    if let failure { throw failure }
    let start = stopwatch.seconds
    try stream.finish()
    waitedSeconds += stopwatch.seconds - start
  }

  /// A pass goes on to its end on whatever numbers there are; ``finish()`` throws before any of it counts.
  private func attempt(_ body: () throws(TregError) -> Void) {
    guard failure == nil else { return }
    let start = stopwatch.seconds
    do { try body() } catch { failure = error }
    lastLook = stopwatch.seconds
    waitedSeconds += lastLook - start
  }

  private func wait(for range: Range<Int>) {
    guard !range.isEmpty, let bucket = layout.buckets.firstIndex(where: { $0.upperBound > range.lowerBound }),
      bucket < arrived
    else { return }
    attempt { () throws(TregError) in try stream.wait(for: marks[bucket]) }
    arrived = bucket
  }

  private func look() {
    guard stopwatch.seconds - lastLook >= Self.interval else { return }
    attempt { () throws(TregError) in try stream.advance() }
  }
}
