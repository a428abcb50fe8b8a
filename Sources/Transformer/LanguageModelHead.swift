import CKernels
import Compute

/// The last norm and the projection to the vocabulary, at scored positions only and in chunks of them.
///
///     logprob[s] = logits[s, target] − log Σ_v exp logits[s, v],   logits = N(x[row[s]])·Wᵀ, perhaps scaled and capped
///
/// Logits are kept for the backward pass while they fit the budget, and made again beyond it.
struct LanguageModelHead {
  /// Targets whose logits are made together.
  static let chunkLimit = 256
  /// Rows of the vocabulary that one item handles.
  private static let vocabularyTile = 2048
  /// Floats of logits that may be kept between forward and backward.
  private let budget: Int

  private let shape: ModelShape
  private let weights: ModelWeights
  private let workers: Workers
  private var hidden = Scratch()
  private var logits = Scratch()
  private var sums = Scratch()
  private var chunks = Panels(0, limit: chunkLimit)
  private var count = 0

  init(shape: ModelShape, weights: ModelWeights, workers: Workers, budgetBytes: Int) {
    self.shape = shape
    self.weights = weights
    self.workers = workers
    budget = budgetBytes / MemoryLayout<Float>.stride
  }

  private var width: Int { shape.width }
  private var vocabulary: Int { shape.vocabulary }
  private var norm: StreamNorm {
    StreamNorm(shape.model, weights, weight: shape.finalNorm, bias: shape.finalNormBias)
  }
  /// Whether logits are more than a product; a cap of 0 is none.
  private var changesLogits: Bool { shape.model.logitScale != 1 || shape.model.logitCap != nil }
  private var cap: Float { shape.model.logitCap ?? 0 }
  private var keepsLogits: Bool { count * vocabulary <= budget }

  /// States x, normed states and their gradients, [S,D] each.
  private func states(_ index: Int) -> UnsafeMutablePointer<Float> { hidden.pointer + index * count * width }
  /// Log of the softmax's sum and norm scale, [S] each.
  private var lse: UnsafeMutablePointer<Float> { sums.pointer }
  private var scale: UnsafeMutablePointer<Float> { sums.pointer + count }

  private func chunkLogits(_ chunk: Range<Int>) -> UnsafeMutablePointer<Float> {
    logits.pointer + (keepsLogits ? chunk.lowerBound * vocabulary : 0)
  }

  /// - Parameters:
  ///   - x: the last layer's output, [T,D].
  ///   - logProbs: one value per target of the batch.
  mutating func forward(
    _ batch: PackedBatch, x: UnsafePointer<Float>, logProbs: UnsafeMutablePointer<Float>, forBackward: Bool
  ) {
    count = batch.targetCount
    guard count > 0 else { return }
    chunks = Panels(count, limit: Self.chunkLimit)
    _ = hidden.reserve(4 * count * width)
    _ = sums.reserve(2 * count)
    _ = logits.reserve(max((forBackward && keepsLogits ? count : chunks.size) * vocabulary, width))
    for target in 0..<count {
      (states(0) + target * width).update(from: x + Int(batch.targetRows[target]) * width, count: width)
    }
    norm.forward(states(1), scale: scale, x: states(0), rows: count)
    for index in 0..<chunks.count {
      let chunk = chunks[index]
      // A pass without a backward reuses one chunk's room.
      let room = forBackward ? chunkLogits(chunk) : logits.pointer
      project(chunk, into: room)
      workers.run(chunk.count) { row, _ in
        let target = chunk.lowerBound + row
        let values = room + row * vocabulary
        lse[target] = tk_log_sum_exp(values, Int64(vocabulary))
        logProbs[target] = values[Int(batch.targetTokens[target])] - lse[target]
      }
    }
  }

  private func project(_ chunk: Range<Int>, into room: UnsafeMutablePointer<Float>) {
    let tiles = Panels(vocabulary, limit: Self.vocabularyTile)
    let normed = states(1) + chunk.lowerBound * width
    workers.run(tiles.count) { item, worker in
      let tile = tiles[item]
      weights.matrix(shape.head + tile.lowerBound * width, outputs: tile.count, inputs: width, worker: worker)
        .forward(y: room + tile.lowerBound, x: normed, rows: chunk.count, yStride: vocabulary)
    }
    guard changesLogits else { return }
    workers.run(chunk.count) { row, _ in
      tk_cap_logits(room + row * vocabulary, shape.model.logitScale, cap, Int64(vocabulary))
    }
  }

  /// Adds to `dx` the gradient of Σ coefficient·logprob, and the weights' to `gradients`, if those are wanted.
  func backward(
    _ batch: PackedBatch, coefficients: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>,
    gradients: UnsafeMutablePointer<Float>?
  ) {
    guard count > 0 else { return }
    let dnormed = states(2)
    let dstates = states(3)
    let tiles = Panels(vocabulary, limit: Self.vocabularyTile)
    for index in 0..<chunks.count {
      let chunk = chunks[index]
      let room = chunkLogits(chunk)
      if !keepsLogits { project(chunk, into: room) }
      workers.run(chunk.count) { row, _ in
        let target = chunk.lowerBound + row
        let (values, token) = (room + row * vocabulary, Int64(batch.targetTokens[target]))
        if changesLogits {
          tk_log_prob_backward_capped(
            values, lse[target], coefficients[target], token, shape.model.logitScale, cap, Int64(vocabulary))
        } else {
          tk_log_prob_backward(values, lse[target], coefficients[target], token, Int64(vocabulary))
        }
      }
      let rows = Panels(chunk.count, limit: 64)
      workers.run(rows.count + (gradients == nil ? 0 : tiles.count)) { item, worker in
        if item < rows.count {
          let part = rows[item]
          weights.matrix(shape.head, outputs: vocabulary, inputs: width, worker: worker).backwardInput(
            dx: dnormed + (chunk.lowerBound + part.lowerBound) * width, dy: room + part.lowerBound * vocabulary,
            rows: part.count)
        } else {
          let tile = tiles[item - rows.count]
          MatrixMultiply.backwardWeight(
            dw: gradients! + shape.head + tile.lowerBound * width, dy: room + tile.lowerBound,
            x: states(1) + chunk.lowerBound * width, rows: chunk.count, outputs: tile.count, inputs: width,
            dyStride: vocabulary)
        }
      }
    }
    dstates.update(repeating: 0, count: count * width)
    // Where the norm does not train its gradient goes where the logits were, which are used up.
    let unused = logits.pointer
    norm.backward(
      dx: dstates, dweight: gradients.map { $0 + shape.finalNorm } ?? unused,
      dbias: shape.finalNormBias.map { bias in gradients.map { $0 + bias } ?? unused }, dy: dnormed, x: states(0),
      scale: scale, rows: count)
    for target in 0..<count {
      tk_add(dx + Int(batch.targetRows[target]) * width, dstates + target * width, Int64(width))
    }
  }
}
