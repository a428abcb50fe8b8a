import Compute
import ModelDescription

/// The matrix products of training passes, and nothing else, made by the BLAS: a bound for the time that they take.
///
/// Products have the sizes of whole micro-batches, larger than the panels that a pass works in. Every size is timed on the
/// BLAS's own threads and on ours with one thread to a call; the faster counts.
package struct ProductReplay {
  /// Products of each size and how many there are of it.
  private var counts: [ProductShape: Int] = [:]

  /// Targets whose logits are one product.
  private static let targetLimit = 1024
  /// Products of fewer operations are not worth cutting: threads take whole ones.
  private static let smallOperations = 5e7

  package init() {}

  /// Adds the products of a forward pass, and of the backward pass that follows it.
  package mutating func add(_ batch: PackedBatch, of model: ModelDescription, backward: Bool) {
    let shape = ModelShape(model)
    let projections = [
      (shape.qkvWidth, shape.width), (shape.width, shape.queryWidth), (shape.mlpInputWidth, shape.width),
      (shape.width, shape.mlpWidth),
    ]
    for (outputs, inputs) in projections {
      add(batch.tokenCount, outputs, inputs, times: shape.layers.count, backward: backward)
    }
    for first in stride(from: 0, to: batch.targetCount, by: Self.targetLimit) {
      add(min(Self.targetLimit, batch.targetCount - first), shape.vocabulary, shape.width, times: 1, backward: backward)
    }
    let attention = TreeAttention(heads: shape.heads, keyValueHeads: shape.keyValueHeads, headWidth: shape.headWidth)
    for layer in shape.layers {
      for block in attention.blockSizes(batch, layer.attention) {
        add(block.rows, block.columns, shape.headWidth, times: shape.keyValueHeads, backward: false)
        count(.backwardInput, block.rows, block.columns, shape.headWidth, shape.keyValueHeads)
        guard backward else { continue }
        // Scores and their gradient; of queries; of keys and of values.
        add(block.rows, block.columns, shape.headWidth, times: shape.keyValueHeads, backward: true)
        count(.forward, block.rows, block.columns, shape.headWidth, shape.keyValueHeads)
        count(.backwardWeight, block.rows, block.columns, shape.headWidth, shape.keyValueHeads)
      }
    }
  }

  private mutating func add(_ rows: Int, _ outputs: Int, _ inputs: Int, times: Int, backward: Bool) {
    count(.forward, rows, outputs, inputs, times)
    guard backward else { return }
    count(.backwardInput, rows, outputs, inputs, times)
    count(.backwardWeight, rows, outputs, inputs, times)
  }

  private mutating func count(
    _ kind: ProductShape.Kind, _ rows: Int, _ outputs: Int, _ inputs: Int, _ times: Int
  ) {
    counts[ProductShape(kind, rows: rows, outputs: outputs, inputs: inputs), default: 0] += times
  }

  /// Seconds of all products, each size on its better threading.
  ///
  /// - Parameter clock: seconds since some moment.
  package func seconds(workers: Workers, clock: () -> Double) -> Double {
    let sizes = counts.keys
    let room = sizes.reduce(into: (wide: 0, narrow: 0, weight: 0)) { room, shape in
      room.wide = max(room.wide, shape.outputCount)
      room.narrow = max(room.narrow, shape.inputCount)
      room.weight = max(room.weight, shape.weightCount)
    }
    let wide = FloatBuffer(variedCount: room.wide)
    let narrow = FloatBuffer(variedCount: room.narrow)
    let weight = FloatBuffer(variedCount: room.weight)
    // Of threads that make small products side by side.
    let small = sizes.filter { $0.operations < Self.smallOperations }
    let smallSize = small.map { max($0.outputCount, $0.inputCount, $0.weightCount) }.max() ?? 0
    let desks = (0..<workers.threads).map { _ in (0..<3).map { _ in FloatBuffer(variedCount: smallSize) } }
    var total = 0.0
    for (shape, count) in counts {
      let isSmall = shape.operations < Self.smallOperations
      func time(_ body: () -> Void) -> Double {
        body()
        let start = clock()
        body()
        return clock() - start
      }
      // One round is a fair sample of hundreds; so many are timed that the clock can tell.
      let rounds = min(count, max(1, Int(2e9 / shape.operations)))
      var threaded = 0.0
      ProductShape.withBLASThreads(workers.threads) {
        threaded = time {
          for _ in 0..<rounds { shape.run(wide: wide.pointer, narrow: narrow.pointer, weight: weight.pointer) }
        }
      }
      let pooled = time {
        if isSmall {
          workers.run(rounds) { _, worker in
            let desk = desks[worker]
            shape.run(wide: desk[0].pointer, narrow: desk[1].pointer, weight: desk[2].pointer)
          }
          return
        }
        for _ in 0..<rounds {
          workers.run(workers.threads) { item, _ in
            guard let part = shape.part(item, of: workers.threads), let first = shape.part(0, of: workers.threads)
            else { return }
            if shape.kind == .backwardWeight {
              // Columns of dy lie side by side; a block of its own is the same work.
              part.run(
                wide: wide.pointer + item * first.outputCount, narrow: narrow.pointer,
                weight: weight.pointer + item * first.weightCount)
            } else {
              part.run(
                wide: wide.pointer + item * first.outputCount, narrow: narrow.pointer + item * first.inputCount,
                weight: weight.pointer)
            }
          }
        }
      }
      total += min(threaded, pooled) * Double(count) / Double(rounds)
    }
    return total
  }
}
