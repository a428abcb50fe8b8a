import CKernels
import Compute
import ModelDescription

/// One decoder layer, forward beside backward.
///
///     n₁ = N(x);  q, k, v = n₁·W_qkvᵀ + b, q and k normalised and rotated;  a = Attention(q, k, v)·W_oᵀ + b
///     m = x + r·N(a)
///     n₂ = N(m);  u = n₂·W_inᵀ + b;  h = act(u)·W_outᵀ + b;  y = m + r·N(h)
///
/// where each N is there or is not, as the model has it. Everything but attention belongs to one token, so a worker takes
/// a panel of tokens through it while the panel is in its cache. Shapes: x, m, y [T,D]; qkv [T, D_q + 2D_kv]; u [T,2F], or
/// [T,F] without a gate.
struct Layer {
  let shape: ModelShape
  let weights: ModelShape.Layer
  /// Of the whole model.
  let values: ModelWeights
  let attention: TreeAttention
  let workers: Workers
  /// What trains instead of the layer's own weights; nil when those do.
  let adapter: LayerAdapter?
  /// Where the gradients of its norms go.
  let normTargets: [NormSums.Target?]

  private var width: Int { shape.width }

  private func norm(_ weight: Int?, _ bias: Int? = nil) -> StreamNorm? {
    weight.map { StreamNorm(shape.model, values, weight: $0, bias: bias) }
  }
  private var attentionNorm: StreamNorm? { norm(weights.attentionNorm, weights.attentionNormBias) }
  private var outputNorm: StreamNorm? { norm(weights.outputNorm) }
  private var mlpNorm: StreamNorm? { norm(weights.mlpNorm, weights.mlpNormBias) }
  private var mlpOutputNorm: StreamNorm? { norm(weights.mlpOutputNorm) }

  /// y[rows,N] = x[rows,K]·Wᵀ + b and what an adapter adds, or added to y.
  private func project(
    _ role: Parameter.Role, _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, weight: Int, bias: Int?,
    rows: Int, outputs: Int, inputs: Int, adapterMemory: UnsafeMutablePointer<Float>, worker: Int,
    accumulate: Bool = false
  ) {
    values.matrix(weight, outputs: outputs, inputs: inputs, worker: worker)
      .forward(y: y, x: x, rows: rows, accumulate: accumulate)
    if let bias { tk_add_bias(y, values.vector(bias), Int64(rows), Int64(outputs)) }
    adapter?.forward(role, y, width: outputs, x: x, rows: rows, memory: adapterMemory)
  }

  // MARK: Forward

  /// Reads `kept.input` and writes the rest of `kept` and `y`.
  ///
  /// - Parameter isAgain: only `kept` is wanted; what is in `y` does not matter.
  func forward(
    _ batch: PackedBatch, kept: Activations.Layer, y: UnsafeMutablePointer<Float>, room: Activations,
    rotary: Rotation?, attentionItems: [TreeAttention.ForwardItem], isAgain: Bool = false
  ) {
    workers.run(room.panels.count) { item, worker in
      projectQueries(
        room.panels[item], kept: kept, memory: room.desk(worker), adapterMemory: room.adapterDesk(worker),
        worker: worker,
        rotary: rotary)
    }
    workers.run(attentionItems.count) { item, worker in
      attention.forward(
        item: attentionItems[item], weights.attention, batch: batch, output: kept.attention, lse: kept.lse,
        qkv: kept.qkv, memory: room.desk(worker), longest: room.longest)
    }
    workers.run(room.panels.count) { item, worker in
      mix(
        room.panels[item], kept: kept, y: isAgain && kept.mlpBranch == nil ? nil : y, memory: room.desk(worker),
        adapterMemory: room.adapterDesk(worker), worker: worker)
    }
  }

  private func projectQueries(
    _ panel: Range<Int>, kept: Activations.Layer, memory normed: UnsafeMutablePointer<Float>,
    adapterMemory: UnsafeMutablePointer<Float>, worker: Int, rotary: Rotation?
  ) {
    let first = panel.lowerBound
    let rows = panel.count
    let qkv = kept.qkv + first * shape.qkvWidth
    var input = UnsafePointer(kept.input + first * width)
    if let attentionNorm {
      attentionNorm.forward(normed, scale: kept.inputScale + first, x: input, rows: rows)
      input = UnsafePointer(normed)
    }
    project(
      .queryKeyValue, qkv, input, weight: weights.qkv, bias: weights.qkvBias, rows: rows, outputs: shape.qkvWidth,
      inputs: width, adapterMemory: adapterMemory, worker: worker)
    if let queryKeyNorm = QueryKeyNorm(shape, weights, values) {
      queryKeyNorm.forward(qkv, raw: kept.rawQueryKey + first * shape.queryKeyWidth, rows: rows)
    }
    rotary?.turn(qkv, first: first, rows: rows, direction: 1)
  }

  /// - Parameter y: nil: everything up to the MLP's first product.
  private func mix(
    _ panel: Range<Int>, kept: Activations.Layer, y: UnsafeMutablePointer<Float>?,
    memory: UnsafeMutablePointer<Float>, adapterMemory: UnsafeMutablePointer<Float>, worker: Int
  ) {
    let first = panel.lowerBound
    let rows = panel.count
    let normed = memory
    let product = memory + rows * width
    let middle = kept.middle + first * width
    let hidden = kept.mlpInput + first * shape.mlpInputWidth
    join(
      .attentionOutput, middle, kept.input + first * width, kept.attention + first * shape.queryWidth,
      weight: weights.output,
      bias: weights.outputBias, norm: outputNorm, inputs: shape.queryWidth, rows: rows,
      branch: kept.attentionBranch.map { $0 + first * width }, scale: kept.attentionBranchScale.map { $0 + first },
      memory: normed, adapterMemory: adapterMemory, worker: worker)
    var input = UnsafePointer(middle)
    if let mlpNorm {
      mlpNorm.forward(normed, scale: kept.middleScale + first, x: middle, rows: rows)
      input = UnsafePointer(normed)
    }
    project(
      .mlpInput, hidden, input, weight: weights.mlpInput, bias: weights.mlpInputBias, rows: rows,
      outputs: shape.mlpInputWidth, inputs: width, adapterMemory: adapterMemory, worker: worker)
    guard let y else { return }
    if shape.model.gatesMLP {
      tk_gated(product, hidden, Int64(rows), Int64(shape.mlpWidth), shape.activation)
    } else {
      tk_activate(product, hidden, Int64(rows * shape.mlpWidth), shape.activation)
    }
    join(
      .mlpOutput, y + first * width, middle, product, weight: weights.mlpOutput, bias: weights.mlpOutputBias,
      norm: mlpOutputNorm,
      inputs: shape.mlpWidth, rows: rows, branch: kept.mlpBranch.map { $0 + first * width },
      scale: kept.mlpBranchScale.map { $0 + first }, memory: normed, adapterMemory: adapterMemory, worker: worker)
  }

  /// Where a branch joins the stream again: y = stream + r·N(x·Wᵀ + b).
  ///
  /// - Parameters:
  ///   - branch, scale: keep x·Wᵀ + b and its norm's scale, where there is a norm.
  ///   - memory: rows · D floats.
  private func join(
    _ role: Parameter.Role, _ y: UnsafeMutablePointer<Float>, _ stream: UnsafePointer<Float>,
    _ x: UnsafePointer<Float>, weight: Int, bias: Int?, norm: StreamNorm?, inputs: Int, rows: Int,
    branch: UnsafeMutablePointer<Float>?, scale: UnsafeMutablePointer<Float>?, memory: UnsafeMutablePointer<Float>,
    adapterMemory: UnsafeMutablePointer<Float>, worker: Int
  ) {
    y.update(from: stream, count: rows * width)
    guard shape.model.changesBranches else {
      project(
        role, y, x, weight: weight, bias: bias, rows: rows, outputs: width, inputs: inputs,
        adapterMemory: adapterMemory, worker: worker, accumulate: true)
      return
    }
    let sum = branch ?? memory
    project(
      role, sum, x, weight: weight, bias: bias, rows: rows, outputs: width, inputs: inputs,
      adapterMemory: adapterMemory, worker: worker)
    if let norm {
      norm.forward(memory, scale: scale!, x: sum, rows: rows)
    }
    tk_add_scaled(y, memory, shape.model.residualScale, Int64(rows * width))
  }

  // MARK: Backward

  /// Turns `room.backwardRoom.stream` from the gradient of y into the gradient of x, and adds the gradients of the layer's
  /// weights, or of its adapter's where it has one, to `gradients`.
  func backward(
    _ batch: PackedBatch, kept: Activations.Layer, gradients: UnsafeMutablePointer<Float>, room: Activations,
    rotary: Rotation?, attentionItems: [TreeAttention.BackwardItem]
  ) {
    let work = room.backwardRoom
    let tokens = batch.tokenCount
    let sums = NormSums(room, gradients: gradients, targets: normTargets)
    workers.run(room.panels.count) { item, worker in
      sums.clear(panel: room.panels[item])
      backwardMix(
        room.panels[item], kept: kept, work: work, memory: room.desk(worker), worker: worker, sums: sums)
    }

    let products = room.products
    listMixGradients(in: products, kept: kept, work: work, gradients: gradients)
    // Attention's items are few and long, the weight gradients' many and short: together they fill all threads.
    workers.run(attentionItems.count + products.tileCount) { item, worker in
      if item < attentionItems.count {
        attention.backward(
          item: attentionItems[item], weights.attention, batch: batch, dqkv: work.dqkv, doutput: work.dattention,
          output: kept.attention, lse: kept.lse, qkv: kept.qkv, memory: room.desk(worker), longest: room.longest)
      } else {
        products.add(tile: item - attentionItems.count, rows: tokens)
      }
    }
    workers.run(room.panels.count) { item, worker in
      backwardQueries(
        room.panels[item], kept: kept, work: work, rotary: rotary, memory: room.desk(worker), worker: worker,
        sums: sums)
    }
    let input = attentionNorm == nil ? kept.input : work.normed
    products.removeAll()
    if let adapter {
      adapter.appendGradients(
        .queryKeyValue, dy: work.dqkv, width: shape.qkvWidth, x: input, gradients: gradients, room: work.adapter,
        to: products)
    } else {
      sums.addToGradients()
      products.append(
        WeightGradient(
          gradients + weights.qkv, bias: weights.qkvBias.map { gradients + $0 }, dy: work.dqkv, x: input,
          outputs: shape.qkvWidth, inputs: width, tileLimit: 96))
    }
    workers.run(products.tileCount) { item, _ in products.add(tile: item, rows: tokens) }
  }

  /// Lists the products that make weight gradients of all that stands behind attention.
  private func listMixGradients(
    in products: WeightGradientList, kept: Activations.Layer, work: Activations.Backward,
    gradients: UnsafeMutablePointer<Float>
  ) {
    products.removeAll()
    let mlpInput = mlpNorm == nil ? kept.middle : work.normed
    if let adapter {
      adapter.appendGradients(
        .mlpOutput, dy: work.mlpBranch, width: width, x: work.product, gradients: gradients, room: work.adapter,
        to: products)
      adapter.appendGradients(
        .mlpInput, dy: work.mlpInput, width: shape.mlpInputWidth, x: mlpInput, gradients: gradients,
        room: work.adapter, to: products)
      adapter.appendGradients(
        .attentionOutput, dy: work.attentionBranch, width: width, x: kept.attention, gradients: gradients,
        room: work.adapter, to: products)
      return
    }
    func gradient(_ offset: Int?) -> UnsafeMutablePointer<Float>? { offset.map { gradients + $0 } }
    products.append(
      WeightGradient(
        gradients + weights.mlpOutput, bias: gradient(weights.mlpOutputBias), dy: work.mlpBranch, x: work.product,
        outputs: width, inputs: shape.mlpWidth))
    products.append(
      WeightGradient(
        gradients + weights.mlpInput, bias: gradient(weights.mlpInputBias), dy: work.mlpInput, x: mlpInput,
        outputs: shape.mlpInputWidth, inputs: width))
    products.append(
      WeightGradient(
        gradients + weights.output, bias: gradient(weights.outputBias), dy: work.attentionBranch, x: kept.attention,
        outputs: width, inputs: shape.queryWidth))
  }

  /// Through the MLP and its norms, and into the attention's output.
  private func backwardMix(
    _ panel: Range<Int>, kept: Activations.Layer, work: Activations.Backward, memory: UnsafeMutablePointer<Float>,
    worker: Int, sums: NormSums
  ) {
    let first = panel.lowerBound
    let rows = panel.count
    let dproduct = memory
    let dnormed = memory + rows * shape.mlpWidth
    let stream = work.stream + first * width
    let middle = kept.middle + first * width
    let hidden = kept.mlpInput + first * shape.mlpInputWidth
    let dhidden = work.mlpInput + first * shape.mlpInputWidth
    let product = work.product + first * shape.mlpWidth

    let dbranch = work.mlpBranch + first * width
    part(
      dbranch, stream, norm: mlpOutputNorm, branch: kept.mlpBranch, scale: kept.mlpBranchScale, role: .mlpOutputNorm,
      sums: sums, panel: panel)
    values.matrix(weights.mlpOutput, outputs: width, inputs: shape.mlpWidth, worker: worker)
      .backwardInput(dx: dproduct, dy: dbranch, rows: rows)
    adapter?.backwardInput(
      .mlpOutput, dx: dproduct, dy: dbranch, width: width, first: first, rows: rows, room: work.adapter)
    if shape.model.gatesMLP {
      tk_gated_backward(dhidden, product, dproduct, hidden, Int64(rows), Int64(shape.mlpWidth), shape.activation)
    } else {
      tk_activate_backward(dhidden, product, dproduct, hidden, Int64(rows * shape.mlpWidth), shape.activation)
    }
    adapter?.again(.mlpOutput, x: product, first: first, rows: rows, room: work.adapter)
    values.matrix(weights.mlpInput, outputs: shape.mlpInputWidth, inputs: width, worker: worker)
      .backwardInput(dx: dnormed, dy: dhidden, rows: rows)
    adapter?.backwardInput(
      .mlpInput, dx: dnormed, dy: dhidden, width: shape.mlpInputWidth, first: first, rows: rows, room: work.adapter)
    let normed = work.normed + first * width
    mlpNorm?.again(normed, scale: kept.middleScale + first, x: middle, rows: rows)
    adapter?.again(.mlpInput, x: mlpNorm == nil ? middle : normed, first: first, rows: rows, room: work.adapter)
    if let mlpNorm {
      sums.forEachBlock(of: panel) { block in
        let place = (block.lowerBound - first) * width
        mlpNorm.backward(
          dx: stream + place, dweight: sums[.mlpNorm, block], dbias: sums[.mlpNormBias, block], dy: dnormed + place,
          x: middle + place, scale: kept.middleScale + block.lowerBound, rows: block.count)
      }
    } else {
      tk_add(stream, dnormed, Int64(rows * width))
    }

    let dattention = work.attentionBranch + first * width
    if shape.model.changesBranches {
      part(
        dattention, stream, norm: outputNorm, branch: kept.attentionBranch, scale: kept.attentionBranchScale,
        role: .attentionOutputNorm, sums: sums, panel: panel)
    }
    let dattended = work.dattention + first * shape.queryWidth
    values.matrix(weights.output, outputs: width, inputs: shape.queryWidth, worker: worker)
      .backwardInput(dx: dattended, dy: dattention, rows: rows)
    adapter?.backwardInput(
      .attentionOutput, dx: dattended, dy: dattention, width: width, first: first, rows: rows, room: work.adapter)
    adapter?.again(
      .attentionOutput, x: kept.attention + first * shape.queryWidth, first: first, rows: rows, room: work.adapter)
  }

  /// The gradient that goes into a branch: the stream's, through r and the branch's norm.
  ///
  /// - Parameters:
  ///   - dbranch, stream: from the panel's first token on.
  ///   - branch, scale: of all tokens.
  private func part(
    _ dbranch: UnsafeMutablePointer<Float>, _ stream: UnsafePointer<Float>, norm: StreamNorm?,
    branch: UnsafePointer<Float>?, scale: UnsafePointer<Float>?, role: Parameter.Role, sums: NormSums,
    panel: Range<Int>
  ) {
    let count = panel.count * width
    if let norm {
      dbranch.update(repeating: 0, count: count)
      sums.forEachBlock(of: panel) { block in
        let place = (block.lowerBound - panel.lowerBound) * width
        norm.backward(
          dx: dbranch + place, dweight: sums[role, block], dbias: nil, dy: stream + place,
          x: branch! + block.lowerBound * width, scale: scale! + block.lowerBound, rows: block.count)
      }
    } else {
      dbranch.update(from: stream, count: count)
    }
    if shape.model.residualScale != 1 { tk_scale(dbranch, shape.model.residualScale, Int64(count)) }
  }

  /// From the gradients of rotated queries, keys and values to the layer's input.
  private func backwardQueries(
    _ panel: Range<Int>, kept: Activations.Layer, work: Activations.Backward, rotary: Rotation?,
    memory dnormed: UnsafeMutablePointer<Float>, worker: Int, sums: NormSums
  ) {
    let first = panel.lowerBound
    let rows = panel.count
    let dqkv = work.dqkv + first * shape.qkvWidth
    let input = kept.input + first * width
    rotary?.turn(dqkv, first: first, rows: rows, direction: -1)
    if let queryKeyNorm = QueryKeyNorm(shape, weights, values) {
      sums.forEachBlock(of: panel) { block in
        queryKeyNorm.backward(
          work.dqkv + block.lowerBound * shape.qkvWidth, raw: kept.rawQueryKey + block.lowerBound * shape.queryKeyWidth,
          dquery: sums[.queryNorm, block], dkey: sums[.keyNorm, block], rows: block.count)
      }
    }
    values.matrix(weights.qkv, outputs: shape.qkvWidth, inputs: width, worker: worker)
      .backwardInput(dx: dnormed, dy: dqkv, rows: rows)
    adapter?.backwardInput(
      .queryKeyValue, dx: dnormed, dy: dqkv, width: shape.qkvWidth, first: first, rows: rows, room: work.adapter)
    let normed = work.normed + first * width
    attentionNorm?.again(normed, scale: kept.inputScale + first, x: input, rows: rows)
    adapter?.again(
      .queryKeyValue, x: attentionNorm == nil ? input : normed, first: first, rows: rows, room: work.adapter)
    if let attentionNorm {
      sums.forEachBlock(of: panel) { block in
        let place = (block.lowerBound - first) * width
        attentionNorm.backward(
          dx: work.stream + block.lowerBound * width, dweight: sums[.attentionNorm, block],
          dbias: sums[.attentionNormBias, block], dy: dnormed + place, x: input + place,
          scale: kept.inputScale + block.lowerBound, rows: block.count)
      }
    } else {
      tk_add(work.stream + first * width, dnormed, Int64(rows * width))
    }
  }
}
