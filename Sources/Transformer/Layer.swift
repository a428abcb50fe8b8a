import CKernels
import Compute

/// One decoder layer of the Llama family, forward beside backward.
///
///     n₁ = RMSNorm(x);  q, k, v = n₁·W_qkvᵀ + b, q and k rotated;  m = x + Attention(q, k, v)·W_oᵀ + b
///     n₂ = RMSNorm(m);  gate, up = n₂·W_guᵀ + b;                   y = m + (silu(gate)∘up)·W_dᵀ + b
///
/// Everything but attention belongs to one token, so a worker takes a panel of tokens through it while the panel is in
/// its cache. Shapes: x, m, y [T,D]; qkv [T, D_q + 2D_kv]; gate|up [T,2F].
struct Layer {
  let shape: ModelShape
  let weights: ModelShape.Layer
  let parameters: UnsafeMutablePointer<Float>
  let attention: TreeAttention
  let workers: Workers

  private var width: Int { shape.width }

  /// Reads `kept.input` and writes the rest of `kept` and `y`.
  func forward(
    _ batch: PackedBatch, kept: Activations.Layer, y: UnsafeMutablePointer<Float>, room: Activations,
    rotary: RotaryTable, attentionItems: [(segment: Int, start: Int, head: Int)]
  ) {
    batch.positions.withUnsafeBufferPointer { positions in
      let positions = positions.baseAddress!
      workers.run(room.panels.count) { item, worker in
        projectQueries(room.panels[item], kept: kept, normed: room.desk(worker), positions: positions, rotary: rotary)
      }
    }
    workers.run(attentionItems.count) { item, worker in
      attention.forward(
        item: attentionItems[item], batch: batch, output: kept.attention, lse: kept.lse, qkv: kept.qkv,
        memory: room.desk(worker), longest: room.longest)
    }
    workers.run(room.panels.count) { item, worker in
      mix(room.panels[item], kept: kept, y: y, memory: room.desk(worker))
    }
  }

  private func projectQueries(
    _ panel: Range<Int>, kept: Activations.Layer, normed: UnsafeMutablePointer<Float>, positions: UnsafePointer<Int32>,
    rotary: RotaryTable
  ) {
    let first = panel.lowerBound
    let rows = panel.count
    let qkv = kept.qkv + first * shape.qkvWidth
    tk_rms_norm(
      normed, kept.inputScale + first, kept.input + first * width, parameters + weights.inputNorm, shape.epsilon,
      Int64(rows), Int64(width))
    MatrixMultiply.forward(
      y: qkv, x: normed, w: parameters + weights.qkv, rows: rows, outputs: shape.qkvWidth, inputs: width)
    if let bias = weights.qkvBias { tk_add_bias(qkv, parameters + bias, Int64(rows), Int64(shape.qkvWidth)) }
    tk_rotate(
      qkv, Int64(shape.qkvWidth), positions + first, rotary.cosine.pointer, rotary.sine.pointer, Int64(rows),
      Int64(shape.heads + shape.keyValueHeads), Int64(shape.headWidth), 1)
  }

  private func mix(
    _ panel: Range<Int>, kept: Activations.Layer, y: UnsafeMutablePointer<Float>, memory: UnsafeMutablePointer<Float>
  ) {
    let first = panel.lowerBound
    let rows = panel.count
    let normed = memory
    let product = memory + rows * width
    let middle = kept.middle + first * width
    let gateUp = kept.gateUp + first * 2 * shape.mlpWidth
    middle.update(from: kept.input + first * width, count: rows * width)
    MatrixMultiply.forward(
      y: middle, x: kept.attention + first * shape.queryWidth, w: parameters + weights.output, rows: rows,
      outputs: width, inputs: shape.queryWidth, accumulate: true)
    if let bias = weights.outputBias { tk_add_bias(middle, parameters + bias, Int64(rows), Int64(width)) }
    tk_rms_norm(
      normed, kept.middleScale + first, middle, parameters + weights.postNorm, shape.epsilon, Int64(rows),
      Int64(width))
    MatrixMultiply.forward(
      y: gateUp, x: normed, w: parameters + weights.gateUp, rows: rows, outputs: 2 * shape.mlpWidth, inputs: width)
    if let bias = weights.gateUpBias { tk_add_bias(gateUp, parameters + bias, Int64(rows), Int64(2 * shape.mlpWidth)) }
    tk_swiglu(product, gateUp, Int64(rows), Int64(shape.mlpWidth))
    let output = y + first * width
    output.update(from: middle, count: rows * width)
    MatrixMultiply.forward(
      y: output, x: product, w: parameters + weights.down, rows: rows, outputs: width, inputs: shape.mlpWidth,
      accumulate: true)
    if let bias = weights.downBias { tk_add_bias(output, parameters + bias, Int64(rows), Int64(width)) }
  }

  /// Turns `room.backwardRoom.stream` from the gradient of y into the gradient of x, and adds the layer's weight
  /// gradients to `gradients`.
  func backward(
    _ batch: PackedBatch, kept: Activations.Layer, gradients: UnsafeMutablePointer<Float>, room: Activations,
    rotary: RotaryTable, attentionItems: [(tree: Int, head: Int)]
  ) {
    let work = room.backwardRoom
    let tokens = batch.tokenCount
    workers.run(room.panels.count) { item, worker in
      backwardMix(
        room.panels[item], kept: kept, work: work, memory: room.desk(worker),
        dnorm: clearedSums(room.partialSums(norm: 0), item))
    }
    addSums(room.partialSums(norm: 0), panels: room.panels.count, to: gradients + weights.postNorm)

    // Attention's items are few and long, the weight gradients' many and short: together they fill all threads.
    let products = [
      WeightGradient(
        gradients + weights.down, bias: weights.downBias.map { gradients + $0 }, dy: work.streamIn, x: work.product,
        outputs: width, inputs: shape.mlpWidth),
      WeightGradient(
        gradients + weights.gateUp, bias: weights.gateUpBias.map { gradients + $0 }, dy: work.dgateUp, x: work.normed,
        outputs: 2 * shape.mlpWidth, inputs: width),
      WeightGradient(
        gradients + weights.output, bias: weights.outputBias.map { gradients + $0 }, dy: work.stream, x: kept.attention,
        outputs: width, inputs: shape.queryWidth),
    ]
    let tiles = products.map(\.tileCount).reduce(0, +)
    workers.run(attentionItems.count + tiles) { item, worker in
      if item < attentionItems.count {
        attention.backward(
          item: attentionItems[item], batch: batch, dqkv: work.dqkv, doutput: work.dattention, output: kept.attention,
          lse: kept.lse, qkv: kept.qkv, memory: room.desk(worker), longest: room.longest)
      } else {
        var tile = item - attentionItems.count
        var product = 0
        while tile >= products[product].tileCount {
          tile -= products[product].tileCount
          product += 1
        }
        products[product].add(tile: tile, rows: tokens)
      }
    }
    batch.positions.withUnsafeBufferPointer { positions in
      let positions = positions.baseAddress!
      workers.run(room.panels.count) { item, worker in
        backwardQueries(
          room.panels[item], kept: kept, work: work, positions: positions, rotary: rotary, memory: room.desk(worker),
          dnorm: clearedSums(room.partialSums(norm: 1), item))
      }
    }
    addSums(room.partialSums(norm: 1), panels: room.panels.count, to: gradients + weights.inputNorm)
    let queries = WeightGradient(
      gradients + weights.qkv, bias: weights.qkvBias.map { gradients + $0 }, dy: work.dqkv, x: work.normed,
      outputs: shape.qkvWidth, inputs: width, tileLimit: 96)
    workers.run(queries.tileCount) { item, _ in queries.add(tile: item, rows: tokens) }
  }

  /// Through the MLP and its norm, and into the attention's output.
  private func backwardMix(
    _ panel: Range<Int>, kept: Activations.Layer, work: Activations.Backward, memory: UnsafeMutablePointer<Float>,
    dnorm: UnsafeMutablePointer<Float>
  ) {
    let first = panel.lowerBound
    let rows = panel.count
    let dproduct = memory
    let dnormed = memory + rows * shape.mlpWidth
    let stream = work.stream + first * width
    let middle = kept.middle + first * width
    let dgateUp = work.dgateUp + first * 2 * shape.mlpWidth
    (work.streamIn + first * width).update(from: stream, count: rows * width)
    MatrixMultiply.backwardInput(
      dx: dproduct, dy: stream, w: parameters + weights.down, rows: rows, outputs: width, inputs: shape.mlpWidth)
    tk_swiglu_backward(
      dgateUp, work.product + first * shape.mlpWidth, dproduct, kept.gateUp + first * 2 * shape.mlpWidth, Int64(rows),
      Int64(shape.mlpWidth))
    MatrixMultiply.backwardInput(
      dx: dnormed, dy: dgateUp, w: parameters + weights.gateUp, rows: rows, outputs: 2 * shape.mlpWidth, inputs: width)
    tk_rms_norm_apply(
      work.normed + first * width, middle, parameters + weights.postNorm, kept.middleScale + first, Int64(rows),
      Int64(width))
    tk_rms_norm_backward(
      stream, dnorm, dnormed, middle, parameters + weights.postNorm, kept.middleScale + first, Int64(rows),
      Int64(width))
    MatrixMultiply.backwardInput(
      dx: work.dattention + first * shape.queryWidth, dy: stream, w: parameters + weights.output, rows: rows,
      outputs: width, inputs: shape.queryWidth)
  }

  /// From the gradients of rotated queries, keys and values to the layer's input.
  private func backwardQueries(
    _ panel: Range<Int>, kept: Activations.Layer, work: Activations.Backward, positions: UnsafePointer<Int32>,
    rotary: RotaryTable, memory dnormed: UnsafeMutablePointer<Float>, dnorm: UnsafeMutablePointer<Float>
  ) {
    let first = panel.lowerBound
    let rows = panel.count
    let dqkv = work.dqkv + first * shape.qkvWidth
    let input = kept.input + first * width
    tk_rotate(
      dqkv, Int64(shape.qkvWidth), positions + first, rotary.cosine.pointer, rotary.sine.pointer, Int64(rows),
      Int64(shape.heads + shape.keyValueHeads), Int64(shape.headWidth), -1)
    MatrixMultiply.backwardInput(
      dx: dnormed, dy: dqkv, w: parameters + weights.qkv, rows: rows, outputs: shape.qkvWidth, inputs: width)
    tk_rms_norm_apply(
      work.normed + first * width, input, parameters + weights.inputNorm, kept.inputScale + first, Int64(rows),
      Int64(width))
    tk_rms_norm_backward(
      work.stream + first * width, dnorm, dnormed, input, parameters + weights.inputNorm, kept.inputScale + first,
      Int64(rows), Int64(width))
  }

  private func clearedSums(_ sums: UnsafeMutablePointer<Float>, _ panel: Int) -> UnsafeMutablePointer<Float> {
    (sums + panel * width).update(repeating: 0, count: width)
    return sums + panel * width
  }

  /// Sums over panels in their order, whichever thread made them.
  private func addSums(_ sums: UnsafeMutablePointer<Float>, panels: Int, to gradient: UnsafeMutablePointer<Float>) {
    tk_add_column_sums(gradient, sums, Int64(panels), Int64(width))
  }
}

/// A weight's gradient dw[N,K] += dy[T,N]ᵀ·x[T,K] in tiles of output rows; the last tile adds the bias's gradient.
struct WeightGradient {
  private let dw: UnsafeMutablePointer<Float>
  private let bias: UnsafeMutablePointer<Float>?
  private let dy, x: UnsafePointer<Float>
  private let outputs, inputs: Int
  private let tiles: Panels

  init(
    _ dw: UnsafeMutablePointer<Float>, bias: UnsafeMutablePointer<Float>? = nil, dy: UnsafePointer<Float>,
    x: UnsafePointer<Float>, outputs: Int, inputs: Int, tileLimit: Int = 192
  ) {
    self.dw = dw
    self.bias = bias
    self.dy = dy
    self.x = x
    self.outputs = outputs
    self.inputs = inputs
    tiles = Panels(outputs, limit: tileLimit)
  }

  var tileCount: Int { tiles.count + (bias == nil ? 0 : 1) }

  func add(tile: Int, rows: Int) {
    if tile == tiles.count {
      tk_add_column_sums(bias!, dy, Int64(rows), Int64(outputs))
      return
    }
    let range = tiles[tile]
    MatrixMultiply.backwardWeight(
      dw: dw + range.lowerBound * inputs, dy: dy + range.lowerBound, x: x, rows: rows, outputs: range.count,
      inputs: inputs, dyStride: outputs)
  }
}
