import Collectives
import Compute
import Reporting
import RunFolder
import Transformer

/// The gradient of a step on its way to the ranks that own it, bucket by bucket, while the last backward pass goes on.
///
/// The embedding's buckets go first. All of them is there once the head is through, but for the few rows that the last
/// pass looks up, and those follow at the end (``LookupGradient``). The order of sums depends on the layout alone: the same
/// bits whether anything travels during the pass or all of it after.
final class GradientExchange {
  let layout: BucketLayout
  /// Seconds that ranks waited for the sum to be whole, after the backward pass.
  private(set) var waitedSeconds = 0.0
  /// Seconds that the backward pass stood still for it.
  private(set) var servedSeconds = 0.0

  private let communicator: Communicator
  private let workers: Workers
  private let gradients: FloatBuffer
  private let overlaps: Bool
  private let lookups: LookupGradient?
  private let lookupRange: Range<Int>
  /// Buckets as they leave, the same on all ranks.
  private let order: [Int]
  /// How many have left.
  private var left = 0
  /// What is finished: a part from the front on, and one up to the end.
  private var front = 0
  private var back: Int
  private let stream: ShardStream
  private let stopwatch = Stopwatch()
  private var lastLook = 0.0
  /// What MPI refused while a pass was under way.
  private var failure: TregError?

  /// Seconds between two looks at the network; each takes microseconds.
  private static let interval = 0.0005

  /// - Parameter overlaps: whether buckets leave while the pass goes on.
  init(
    _ model: Transformer, gradients: FloatBuffer, layout: BucketLayout, wire: WireFormat, overlaps: Bool,
    communicator: Communicator
  ) throws(TregError) {
    self.layout = layout
    self.communicator = communicator
    self.gradients = gradients
    self.overlaps = overlaps
    workers = model.workers
    let count = layout.count
    back = count
    let embedding = communicator.size > 1 ? model.lookupRange ?? count..<count : count..<count
    lookupRange = embedding
    lookups = embedding.isEmpty ? nil : LookupGradient(width: model.description.width)
    let buckets = layout.buckets
    order =
      buckets.indices.filter { buckets[$0].lowerBound >= embedding.lowerBound }
      + buckets.indices.filter { buckets[$0].lowerBound < embedding.lowerBound }
    stream = try ShardStream(summing: gradients.all, wire: wire, communicator)
  }

  /// Runs a step's last backward pass, which is given where looked-up rows go and whom to tell what is finished.
  func during(_ pass: (LookupGradient?, (Range<Int>) -> Void) -> Void) {
    guard communicator.size > 1 else { return pass(nil) { _ in } }
    if overlaps { workers.interlude = { [unowned self] in serve() } }
    pass(lookups) { range in
      finished(range)
      if overlaps { attempt { () throws(TregError) in try send() } }
    }
    workers.interlude = nil
  }

  /// Collective: sends what has not left yet, and waits until the own ranges hold the sum over all ranks.
  func finish() throws {
    guard communicator.size > 1 else { return }
    let start = stopwatch.seconds
    if let failure { throw failure }
    (front, back) = (layout.count, layout.count)
    try send()
    try stream.finish()
    try addLookups()
    (left, front, back) = (0, 0, layout.count)
    waitedSeconds += stopwatch.seconds - start
  }

  private func finished(_ range: Range<Int>) {
    if range.lowerBound == front {
      front = range.upperBound
    } else if range.upperBound == back {
      back = range.lowerBound
    }
  }

  private func send() throws(TregError) {
    while left < order.count {
      let bucket = layout.buckets[order[left]]
      guard bucket.upperBound <= front || bucket.lowerBound >= back else { return }
      try stream.extend(layout.strips(of: order[left]))
      left += 1
    }
  }

  /// Called between the items of a pass.
  private func serve() {
    let now = stopwatch.seconds
    guard left > 0, now - lastLook >= Self.interval else { return }
    attempt { () throws(TregError) in try stream.advance() }
    lastLook = stopwatch.seconds
    servedSeconds += lastLook - now
  }

  /// A pass goes on to its end; ``finish()`` throws what was refused.
  private func attempt(_ body: () throws(TregError) -> Void) {
    guard failure == nil else { return }
    do { try body() } catch { failure = error }
  }

  /// The rows that ranks looked up, to their owners, who add them rank by rank.
  private func addLookups() throws {
    guard let lookups else { return }
    var parcels = [[UInt8]](repeating: [], count: communicator.size)
    for (index, token) in lookups.tokens.enumerated() {
      let first = lookupRange.lowerBound + Int(token) * lookups.width
      let row = lookups[index]
      layout.forEachPart(of: first..<first + lookups.width) { owner, part in
        withUnsafeBytes(of: (Int64(part.lowerBound), Int64(part.count))) { parcels[owner] += $0 }
        parcels[owner] += UnsafeRawBufferPointer(
          UnsafeBufferPointer(rebasing: row[part.lowerBound - first..<part.upperBound - first]))
      }
    }
    lookups.clear()
    for parcel in try communicator.exchange(parcels) {
      parcel.withUnsafeBytes { bytes in
        var place = 0
        while place < bytes.count {
          let (first, count) = bytes.loadUnaligned(fromByteOffset: place, as: (Int64, Int64).self)
          place += 16
          let own = gradients.slice(Int(first)..<Int(first + count))
          for index in own.indices {
            own[index] += bytes.loadUnaligned(fromByteOffset: place + 4 * index, as: Float.self)
          }
          place += 4 * Int(count)
        }
      }
    }
  }
}
