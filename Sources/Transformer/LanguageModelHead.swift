import CKernels
import Compute
import ModelDescription

/// The last norm and the projection to the vocabulary, at scored positions only and in chunks of them.
///
///     logprob[s] = logits[s, target] − log Σ_v exp logits[s, v],   logits = N(x[row[s]])·Wᵀ, perhaps scaled and capped
///
/// Logits are kept for the backward pass while they fit the budget, and made again beyond it. Other statistics of the same
/// logits are ``TargetStatistics``; those against a reference take its logits chunk by chunk, and again on the way back.
struct LanguageModelHead {
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
  private var chunks = Panels(0, limit: MemoryFormula.logitChunk)
  private var count = 0
  private var request: StatisticRequest = []

  init(shape: ModelShape, weights: ModelWeights, workers: Workers, budgetBytes: Int) {
    self.shape = shape
    self.weights = weights
    self.workers = workers
    budget = budgetBytes / MemoryLayout<Float>.stride
  }

  private var width: Int { shape.width }
  private var vocabulary: Int { shape.vocabulary }
  /// Floats from one target's logits to the next one's.
  private var stride: Int { shape.model.logitStride }
  private var norm: StreamNorm {
    StreamNorm(shape.model, weights, weight: shape.finalNorm, bias: shape.finalNormBias)
  }
  /// Whether logits are more than a product; a cap of 0 is none.
  private var changesLogits: Bool { shape.model.logitScale != 1 || shape.model.logitCap != nil }
  private var cap: Float { shape.model.logitCap ?? 0 }
  private var keepsLogits: Bool { count * stride <= budget }

  /// States x, normed states and their gradients, [S,D] each.
  private func states(_ index: Int) -> UnsafeMutablePointer<Float> { hidden.pointer + index * count * width }
  /// Log of the softmax's sum and norm scale, [S] each.
  private var lse: UnsafeMutablePointer<Float> { sums.pointer }
  private var scale: UnsafeMutablePointer<Float> { sums.pointer + count }
  /// log Σπ² and KL(π‖π_ref), [S] each, kept for the backward pass where they were asked for.
  private var logSquares: UnsafeMutablePointer<Float> { sums.pointer + 2 * count }
  private var policyDivergence: UnsafeMutablePointer<Float> { sums.pointer + 3 * count }

  private func chunkLogits(_ chunk: Range<Int>) -> UnsafeMutablePointer<Float> {
    logits.pointer + (keepsLogits ? chunk.lowerBound * stride : 0)
  }

  /// Takes the states of a batch's targets, from which ``project(_:into:)`` makes logits.
  ///
  /// - Parameters:
  ///   - x: the last layer's output, [T,D].
  ///   - keepingLogits: makes room for all logits that fit the budget, not for one chunk alone.
  mutating func take(
    _ batch: PackedBatch, x: UnsafePointer<Float>, request: StatisticRequest = [], keepingLogits: Bool = false
  ) {
    count = batch.targetCount
    self.request = request
    guard count > 0 else { return }
    chunks = Panels(count, limit: MemoryFormula.logitChunk)
    _ = hidden.reserve(4 * count * width)
    _ = sums.reserve((request.isEmpty ? 2 : 4) * count)
    _ = logits.reserve(max((keepingLogits && keepsLogits ? count : chunks.size) * stride, width))
    for target in 0..<count {
      (states(0) + target * width).update(from: x + Int(batch.targetRows[target]) * width, count: width)
    }
    norm.forward(states(1), scale: scale, x: states(0), rows: count)
  }

  /// - Parameters:
  ///   - x: the last layer's output, [T,D].
  ///   - reference: has taken the same targets; needed where divergences from it are asked for.
  /// - Returns: one value per target of the batch for log π and whatever is asked for.
  mutating func forward(
    _ batch: PackedBatch, x: UnsafePointer<Float>, request: StatisticRequest, reference: LanguageModelHead?,
    forBackward: Bool
  ) -> TargetStatistics {
    take(batch, x: x, request: request, keepingLogits: forBackward)
    precondition(reference.map { $0.count == count } ?? true, "the reference has other targets")
    var result = TargetStatistics(count: count, request: request)
    for index in 0..<(count > 0 ? chunks.count : 0) {
      let chunk = chunks[index]
      // A pass without a backward reuses one chunk's room.
      let room = forBackward ? chunkLogits(chunk) : logits.pointer
      project(chunk, into: room)
      let other = request.needsReference ? reference?.projectOnce(chunk) : nil
      precondition(!request.needsReference || other != nil, "divergences need a reference")
      result.withPointers { logProbs, squares, fromReference, fromPolicy in
        workers.run(chunk.count) { row, _ in
          let target = chunk.lowerBound + row
          let values = room + row * stride
          lse[target] = tk_log_sum_exp(values, Int64(vocabulary))
          logProbs[target] = values[Int(batch.targetTokens[target])] - lse[target]
          if let squares {
            logSquares[target] = tk_log_square_sum(values, lse[target], Int64(vocabulary))
            squares[target] = logSquares[target]
          }
          if let other, let reference {
            var divergence: Float = 0
            tk_divergences(
              values, lse[target], other + row * stride, reference.lse[target], Int64(vocabulary), &divergence,
              policyDivergence + target)
            fromReference?[target] = divergence
            fromPolicy?[target] = policyDivergence[target]
          }
        }
      }
    }
    return result
  }

  /// Logits of a chunk in the room of one, and the logarithms of their sums.
  private func projectOnce(_ chunk: Range<Int>) -> UnsafeMutablePointer<Float> {
    let room = logits.pointer
    project(chunk, into: room)
    workers.run(chunk.count) { row, _ in
      lse[chunk.lowerBound + row] = tk_log_sum_exp(room + row * stride, Int64(vocabulary))
    }
    return room
  }

  private func project(_ chunk: Range<Int>, into room: UnsafeMutablePointer<Float>) {
    let tiles = Panels(vocabulary, limit: Self.vocabularyTile)
    let normed = states(1) + chunk.lowerBound * width
    workers.run(tiles.count) { item, worker in
      let tile = tiles[item]
      weights.matrix(shape.head + tile.lowerBound * width, outputs: tile.count, inputs: width, worker: worker)
        .forward(y: room + tile.lowerBound, x: normed, rows: chunk.count, yStride: stride)
    }
    guard changesLogits else { return }
    workers.run(chunk.count) { row, _ in
      tk_cap_logits(room + row * stride, shape.model.logitScale, cap, Int64(vocabulary))
    }
  }

  /// The columns of the states' gradient, which is half of a chunk's backward pass, as items of the pool: few, since each
  /// packs all gradients of logits anew, but none longer than a thread's share. The BLAS, whose bits may depend on a
  /// product's width, gets the same ones for any number of threads.
  private var stateStrips: Panels {
    MatrixMultiply.kernels == .own
      ? Panels(width, count: max(2, (workers.threads + 1) / 2), multiple: 16)
      : Panels(width, limit: 192, multiple: 16)
  }

  /// Adds to `dx` the gradient of Σ coefficient·statistic, and the weights' to `gradients`, if those are wanted.
  ///
  /// - Parameter reference: as in the forward pass.
  func backward(
    _ batch: PackedBatch, coefficients: TargetCoefficients, reference: LanguageModelHead?,
    dx: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>?
  ) {
    guard count > 0 else { return }
    precondition(coefficients.request.isSubset(of: request), "coefficients of statistics that were not made")
    let dnormed = states(2)
    let dstates = states(3)
    let tiles = Panels(vocabulary, limit: Self.vocabularyTile)
    for index in 0..<chunks.count {
      let chunk = chunks[index]
      let room = chunkLogits(chunk)
      if !keepsLogits { project(chunk, into: room) }
      logitsBackward(chunk, room, batch, coefficients, reference)
      // Few and long items first; together with the tiles of weight gradients they fill all threads.
      let strips = stateStrips
      workers.run(strips.count + (gradients == nil ? 0 : tiles.count)) { item, worker in
        if item < strips.count {
          weights.matrix(shape.head, outputs: vocabulary, inputs: width, worker: worker).backwardInput(
            dx: dnormed + chunk.lowerBound * width, dy: room, rows: chunk.count, columns: strips[item],
            dyStride: stride)
        } else {
          let tile = tiles[item - strips.count]
          MatrixMultiply.backwardWeight(
            dw: gradients! + shape.head + tile.lowerBound * width, dy: room + tile.lowerBound,
            x: states(1) + chunk.lowerBound * width, rows: chunk.count, outputs: tile.count, inputs: width,
            dyStride: stride)
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

  /// Turns a chunk's logits into the gradients of the products they came from.
  private func logitsBackward(
    _ chunk: Range<Int>, _ room: UnsafeMutablePointer<Float>, _ batch: PackedBatch, _ coefficients: TargetCoefficients,
    _ reference: LanguageModelHead?
  ) {
    let other = coefficients.request.needsReference ? reference?.projectOnce(chunk) : nil
    precondition(!coefficients.request.needsReference || other != nil, "divergences need a reference")
    let size = Int64(vocabulary)
    workers.run(chunk.count) { row, _ in
      let target = chunk.lowerBound + row
      let (values, token) = (room + row * stride, Int64(batch.targetTokens[target]))
      if !coefficients.request.isEmpty {
        var own = tk_statistics(
          log_prob: coefficients.logProbs[target], log_squares: coefficients.logSquares?[target] ?? 0,
          reference_divergence: coefficients.referenceDivergence?[target] ?? 0,
          policy_divergence: coefficients.policyDivergence?[target] ?? 0)
        tk_statistics_backward(
          values, lse[target], other.map { $0 + row * stride }, other == nil ? 0 : reference!.lse[target], token,
          &own, request.contains(.logSquares) ? logSquares[target] : 0, other == nil ? 0 : policyDivergence[target],
          shape.model.logitScale, cap, size)
      } else if changesLogits {
        tk_log_prob_backward_capped(
          values, lse[target], coefficients.logProbs[target], token, shape.model.logitScale, cap, size)
      } else {
        tk_log_prob_backward(values, lse[target], coefficients.logProbs[target], token, size)
      }
    }
  }
}
