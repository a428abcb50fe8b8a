import CKernels
import Compute
import ModelDescription
import RunFolder

/// A decoder-only language model over one flat parameter buffer, with a hand-written backward pass.
///
/// Works on packed token trees (``PackedBatch``). Deterministic: the same batch gives the same bits, whatever the
/// number of threads. Not safe for use from several threads at once; it holds the room that its passes work in.
package final class Transformer {
  package let description: ModelDescription
  /// All weights, laid out as ``ModelDescription/parameters`` says; whoever writes to them calls ``weightsChanged()``.
  package let weights: WeightBuffer
  package let workers: Workers
  /// Low-rank adapters, which then train in place of ``weights``.
  package let adapter: LowRankAdapter?
  /// What trains.
  package let trained: TrainedParameters

  /// Whether activations that a backward pass needs are made again in it, layer by layer: the same bits, in about
  /// `1 / layerCount` of their memory, for most of a forward pass more.
  package var recomputes = false

  /// Called before a forward pass reads a range of ``trained``: ranges follow each other from the end of the buffer, where the
  /// embedding is, to its front. So a pass can begin while weights still arrive.
  package var awaitWeights: ((Range<Int>) -> Void)?

  private let values: ModelWeights
  private let shape: ModelShape
  private let layers: [Layer]
  private let attention: TreeAttention
  private var rotary: [RotaryTable]
  private var room: Activations
  private var head: LanguageModelHead
  private var referenceHead: LanguageModelHead?
  private var awaitsBackward = false
  /// Where each layer's trained weights stand.
  private let layerRanges: [Range<Int>]
  /// Of the pass at hand; their room stays.
  private var forwardItems: [TreeAttention.ForwardItem] = []
  private var backwardItems: [TreeAttention.BackwardItem] = []

  /// - Parameters:
  ///   - adapter: is added to the model's projections; the model's own weights then get no gradient.
  ///   - logitBudgetBytes: logits kept between forward and backward; beyond it they are made twice. nil: as the model
  ///     suggests.
  /// - Precondition: `weights` has the size the description asks for.
  package init(
    description: ModelDescription, weights: WeightBuffer, workers: Workers, adapter: LowRankAdapter? = nil,
    logitBudgetBytes: Int? = nil
  ) {
    precondition(
      weights.count >= description.bufferCount, "\(weights.count) weights for a model of \(description.bufferCount)")
    let values = ModelWeights(weights, of: description, threads: workers.threads)
    let shape = ModelShape(description)
    let attention = TreeAttention(
      heads: shape.heads, keyValueHeads: shape.keyValueHeads, headWidth: shape.headWidth)
    self.description = description
    self.weights = weights
    self.values = values
    self.workers = workers
    self.adapter = adapter
    trained = TrainedParameters(description, lowRank: adapter?.layout)
    self.shape = shape
    self.attention = attention
    layers = shape.layers.enumerated().map { index, offsets in
      Layer(
        shape: shape, weights: offsets, values: values, attention: attention, workers: workers,
        adapter: adapter.map { LayerAdapter($0.layout, values: $0.values.pointer, layer: index) },
        normTargets: NormSums.targets(of: offsets, in: shape))
    }
    layerRanges = Self.layerRanges(of: shape, adapter: adapter?.layout)
    rotary = description.ropes.map { RotaryTable($0, dimension: description.rotaryDimension) }
    room = Activations(
      shape: shape, attention: attention, threads: workers.threads, lowRank: adapter?.layout)
    head = LanguageModelHead(
      shape: shape, weights: values, workers: workers, budgetBytes: logitBudgetBytes ?? description.logitBudget)
  }

  /// fp32 weights, as ``init(description:weights:workers:adapter:logitBudgetBytes:)``.
  package convenience init(
    description: ModelDescription, parameters: FloatBuffer, workers: Workers, adapter: LowRankAdapter? = nil,
    logitBudgetBytes: Int? = nil
  ) {
    self.init(
      description: description, weights: WeightBuffer(parameters), workers: workers, adapter: adapter,
      logitBudgetBytes: logitBudgetBytes)
  }

  /// Lets the next pass see what was written to ``weights``.
  package func weightsChanged() { values.refresh() }

  /// log π of every target of the batch, S values, each in natural logarithm.
  ///
  /// - Parameter forBackward: keeps what ``backward(_:coefficients:gradients:finished:)`` needs.
  /// - Precondition: token ids lie in the vocabulary.
  package func forward(_ batch: PackedBatch, forBackward: Bool = false) -> [Float] {
    statistics(of: batch, [], forBackward: forBackward).logProbs
  }

  /// log π of every target of the batch, and what else is asked for, S values each.
  ///
  /// - Parameters:
  ///   - reference: runs over the same targets, layer by layer before this model; its states stay until the backward pass.
  ///   - forBackward: keeps what ``backward(_:coefficients:gradients:finished:)`` needs.
  /// - Precondition: token ids lie in the vocabulary, which the reference shares; divergences come with a reference.
  package func statistics(
    of batch: PackedBatch, _ request: StatisticRequest, reference: ReferencePass? = nil, forBackward: Bool = false
  ) -> TargetStatistics {
    referenceHead = nil
    if request.needsReference, let reference {
      precondition(reference.model !== self && reference.model.shape.vocabulary == shape.vocabulary, "a second model")
      let other = reference.model
      let x = other.runLayers(reference.batch, forBackward: false)
      other.awaitsBackward = false
      other.head.take(reference.batch, x: x)
      referenceHead = other.head
    }
    let x = runLayers(batch, forBackward: forBackward)
    awaitsBackward = forBackward
    return head.forward(batch, x: x, request: request, reference: referenceHead, forBackward: forBackward)
  }

  /// The last layer's output, [T,D].
  private func runLayers(_ batch: PackedBatch, forBackward: Bool) -> UnsafeMutablePointer<Float> {
    for token in batch.tokens { precondition(token >= 0 && token < shape.vocabulary, "token \(token)") }
    for index in rotary.indices { rotary[index].reserve(batch) }
    room.reserve(batch, forBackward: forBackward, recomputes: recomputes)
    let input = room.input(0, kept: forBackward)
    let arriving = awaitWeights == nil ? [] : layerRanges
    if let first = arriving.first { awaitWeights?(first.upperBound..<trained.bufferCount) }
    for (row, token) in batch.tokens.enumerated() {
      weights.read(
        from: shape.embedding + Int(token) * shape.width, count: shape.width, into: input + row * shape.width)
    }
    if description.embeddingScale != 1 {
      tk_scale(input, description.embeddingScale, Int64(batch.tokenCount * shape.width))
    }
    if let positions = shape.positions {
      precondition(batch.longestPath <= description.positionCount!, "\(batch.longestPath) positions")
      withUnsafeTemporaryAllocation(of: Float.self, capacity: shape.width) { embedding in
        let embedding = embedding.baseAddress!
        for (row, position) in batch.positions.enumerated() {
          weights.read(from: positions + Int(position) * shape.width, count: shape.width, into: embedding)
          tk_add(input + row * shape.width, embedding, Int64(shape.width))
        }
      }
    }
    attention.listForward(batch, in: &forwardItems)
    defer { Pulse.enter(layer: nil) }
    for (index, layer) in layers.enumerated() {
      if !arriving.isEmpty { awaitWeights?(arriving[index]) }
      Pulse.enter(layer: index)
      layer.forward(
        batch, kept: room.layer(index, kept: forBackward), y: room.input(index + 1, kept: forBackward), room: room,
        rotary: rotation(of: layer, batch), attentionItems: forwardItems)
    }
    if let last = arriving.last { awaitWeights?(0..<last.lowerBound) }
    return room.input(layers.count, kept: forBackward)
  }

  /// Adds the gradient of Σ_s coefficients[s]·logprob[s] to `gradients`, for the batch of the last forward pass.
  ///
  /// - Parameters:
  ///   - coefficients: S values, d loss / d logprob.
  ///   - gradients: laid out as ``trained``.
  ///   - lookups: takes what the looked-up rows of the embedding get, instead of `gradients`.
  ///   - finished: called with ranges of `gradients` that this pass will not touch again, in ascending order; with `lookups`
  ///     the embedding's (``lookupRange``) comes before those of the layers.
  /// - Precondition: the last forward pass was of this batch and kept its values, which this pass uses up.
  package func backward(
    _ batch: PackedBatch, coefficients: [Float], gradients: FloatBuffer, finished: (Range<Int>) -> Void = { _ in }
  ) {
    backward(batch, coefficients: TargetCoefficients(logProbs: coefficients), gradients: gradients, finished: finished)
  }

  /// Adds the gradient of Σ_s Σ coefficients[s]·statistic[s] to `gradients`; as the pass for log-probs alone.
  ///
  /// - Precondition: the last forward pass was asked for the statistics that have coefficients, and the reference it ran
  ///   with has done nothing since.
  package func backward(
    _ batch: PackedBatch, coefficients: TargetCoefficients, gradients: FloatBuffer, lookups: LookupGradient? = nil,
    finished: (Range<Int>) -> Void = { _ in }
  ) {
    precondition(awaitsBackward, "a backward pass follows a forward pass that kept its values")
    precondition(coefficients.logProbs.count == batch.targetCount, "\(coefficients.logProbs.count) coefficients")
    precondition(gradients.count >= trained.bufferCount, "the gradient buffer is too small")
    awaitsBackward = false
    let stream = room.backwardRoom.stream
    stream.update(repeating: 0, count: batch.tokenCount * shape.width)
    head.backward(
      batch, coefficients: coefficients, reference: referenceHead, dx: stream,
      gradients: adapter == nil ? gradients.pointer : nil)
    let ranges = layerRanges
    var done = ranges.last!.lowerBound
    if done > 0 { finished(0..<done) }
    let end = lookups == nil ? trained.bufferCount : lookupRange!.lowerBound
    if end < trained.bufferCount { finished(end..<trained.bufferCount) }
    attention.listBackward(batch, in: &backwardItems)
    for (index, layer) in layers.enumerated().reversed() {
      Pulse.enter(layer: index)
      let kept = room.layer(index, kept: true)
      if room.recomputes {
        layer.forward(
          batch, kept: kept, y: room.input(layers.count, kept: true), room: room,
          rotary: rotation(of: layer, batch), attentionItems: forwardItems, isAgain: true)
      }
      layer.backward(
        batch, kept: kept, gradients: gradients.pointer, room: room,
        rotary: rotation(of: layer, batch), attentionItems: backwardItems)
      if ranges[index].upperBound > done { finished(done..<ranges[index].upperBound) }
      done = max(done, ranges[index].upperBound)
    }
    Pulse.enter(layer: nil)
    if adapter == nil { embeddingBackward(batch, stream, gradients, lookups) }
    if done < end { finished(done..<end) }
  }

  private func rotation(of layer: Layer, _ batch: PackedBatch) -> Rotation? {
    layer.weights.rope.map { Rotation(rotary[$0], batch, shape: shape) }
  }

  /// The end of ``trained`` that the embedding takes up; nil where it does not train.
  package var lookupRange: Range<Int>? { adapter == nil ? shape.embedding..<trained.bufferCount : nil }

  private static func layerRanges(of shape: ModelShape, adapter: LowRankLayout?) -> [Range<Int>] {
    guard let adapter else { return shape.layers.map(\.range) }
    var ranges = [Range<Int>](repeating: 0..<0, count: shape.layers.count)
    for projection in adapter.projections {
      let (own, known) = (projection.a.offset..<projection.b.range.upperBound, ranges[projection.layer])
      ranges[projection.layer] = known.isEmpty ? own : known.lowerBound..<own.upperBound
    }
    return ranges
  }

  private func embeddingBackward(
    _ batch: PackedBatch, _ stream: UnsafeMutablePointer<Float>, _ gradients: FloatBuffer, _ lookups: LookupGradient?
  ) {
    if let positions = shape.positions {
      for (row, position) in batch.positions.enumerated() {
        tk_add(
          gradients.pointer + positions + Int(position) * shape.width, stream + row * shape.width, Int64(shape.width))
      }
    }
    if let lookups {
      lookups.take(batch, stream, scale: description.embeddingScale, except: description.paddingToken)
      return
    }
    let embedding = gradients.pointer + shape.embedding
    for (row, token) in batch.tokens.enumerated() where Int(token) != description.paddingToken {
      tk_add_scaled(
        embedding + Int(token) * shape.width, stream + row * shape.width, description.embeddingScale,
        Int64(shape.width))
    }
  }

  /// Whether a token's log-prob has the same bits whatever else is packed beside its tree: so with our own products, while
  /// the BLAS promises no such thing.
  package static var packsAreIndependent: Bool { MatrixMultiply.kernels == .own }

  /// Sequences as a tree, in which only those share a prefix whose rotary embeddings turn it alike.
  package static func tree(_ sequences: [ScoredSequence], for model: ModelDescription) -> TokenTree {
    TokenTree(sequences) { model.regime(length: $0) }
  }
}
