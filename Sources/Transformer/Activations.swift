import Compute
import ModelDescription

/// What the forward pass keeps for the backward pass, and the room both work in; it grows to the largest batch seen.
///
/// What is kept per token and layer: `ModelDescription.keptPerToken`. The normed states and the MLP's product are made
/// again. With recomputation every layer keeps its input alone, and one layer's room takes the rest again and again.
struct Activations {
  /// One layer's kept values.
  struct Layer {
    let input, qkv, attention, middle, mlpInput, inputScale, middleScale, lse: UnsafeMutablePointer<Float>
    /// Queries and keys before they were normalised; nothing is there for a model without that norm.
    let rawQueryKey: UnsafeMutablePointer<Float>
    /// What attention and MLP gave before their norm, and the norm's scale; nil for a model without norms there.
    let attentionBranch, attentionBranchScale, mlpBranch, mlpBranchScale: UnsafeMutablePointer<Float>?
  }

  private var kept = Scratch()
  private var backward = Scratch()
  private var desks = Scratch()
  private var partial = Scratch()
  private var layerStride = 0
  /// Between the inputs of layers that keep nothing else.
  private var inputStride = 0
  /// Whether layers keep their inputs alone.
  private(set) var recomputes = false
  private var tokens = 0
  private var deskStride = 0
  let shape: ModelShape
  private let attention: TreeAttention
  private let threads: Int
  /// The adapters' largest rank, and elements of a token that their backward pass works in; 0 where there are none.
  private let adapterRank, adapterPerToken: Int
  /// Of the layer at hand.
  let products = WeightGradientList()

  /// Rows of the largest token panel.
  static let panelLimit = 384
  private(set) var panels = Panels(0, limit: panelLimit)
  private(set) var longest = 0

  init(shape: ModelShape, attention: TreeAttention, threads: Int, lowRank: LowRankLayout? = nil) {
    adapterRank = lowRank?.largestRank ?? 0
    adapterPerToken = lowRank?.backwardPerToken ?? 0
    self.shape = shape
    self.attention = attention
    self.threads = threads
  }

  /// The panels of so many tokens.
  ///
  /// Our own products give a row the same bits in any panel: every thread gets one, or as many as the others. The BLAS
  /// promises no such thing, and panels then follow from the number of tokens alone.
  static func panels(_ tokens: Int, threads: Int) -> Panels {
    guard MatrixMultiply.kernels == .own else {
      return Panels(tokens, limit: panelLimit / 2, multiple: NormSums.blockTokens)
    }
    let rounds = max(1, (tokens + panelLimit * threads - 1) / (panelLimit * threads))
    return Panels(tokens, count: rounds * threads, multiple: NormSums.blockTokens)
  }

  private static func rounded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

  /// Makes room for a batch.
  ///
  /// - Parameter recomputes: layers are run again in the backward pass, each right before its own.
  mutating func reserve(_ batch: PackedBatch, forBackward: Bool, recomputes: Bool) {
    self.recomputes = forBackward && recomputes
    tokens = batch.tokenCount
    longest = batch.longestPath
    panels = Self.panels(tokens, threads: threads)
    layerStride = Self.rounded(shape.model.keptPerToken * tokens)
    inputStride = self.recomputes ? Self.rounded(shape.width * tokens) : 0
    let layers = forBackward && !recomputes ? shape.layers.count : 1
    // Without a backward pass one layer's room serves all; its output takes turns between two places.
    _ = kept.reserve(
      shape.layers.count * inputStride + layers * layerStride + 2 * Self.rounded(tokens * shape.width))
    let panelRoom = Self.panelLimit * (shape.width + shape.mlpWidth)
    deskStride =
      Self.rounded(max(attention.scratchCount(longest: longest), panelRoom))
      + Self.rounded(Self.panelLimit * adapterRank)
    _ = desks.reserve(threads * deskStride)
    guard forBackward else { return }
    _ = backward.reserve(
      tokens * (shape.model.backwardPerToken + adapterPerToken) + 9 * 16)
    _ = partial.reserve(NormSums.roles.count * NormSums.blockCount(tokens) * partialStride)
  }

  /// The kept values of layer `index`; of the only one when nothing is kept.
  func layer(_ index: Int, kept all: Bool) -> Layer {
    var next = kept.pointer + (recomputes ? shape.layers.count * inputStride : all ? index * layerStride : 0)
    func take(_ count: Int) -> UnsafeMutablePointer<Float> {
      defer { next += count }
      return next
    }
    let hasBranchNorms = shape.model.normPlacement.isAfter
    return Layer(
      input: recomputes ? kept.pointer + index * inputStride : all ? take(tokens * shape.width) : turn(index),
      qkv: take(tokens * shape.qkvWidth),
      attention: take(tokens * shape.queryWidth), middle: take(tokens * shape.width),
      mlpInput: take(tokens * shape.mlpInputWidth), inputScale: take(tokens), middleScale: take(tokens),
      lse: take(tokens * shape.heads),
      rawQueryKey: take(shape.model.queryKeyNorm == nil ? 0 : tokens * shape.queryKeyWidth),
      attentionBranch: hasBranchNorms ? take(tokens * shape.width) : nil,
      attentionBranchScale: hasBranchNorms ? take(tokens) : nil,
      mlpBranch: hasBranchNorms ? take(tokens * shape.width) : nil,
      mlpBranchScale: hasBranchNorms ? take(tokens) : nil)
  }

  /// Where the output of layer `index - 1` goes, which is the input of layer `index`.
  func input(_ index: Int, kept all: Bool) -> UnsafeMutablePointer<Float> {
    all && index < shape.layers.count ? layer(index, kept: true).input : turn(all ? 0 : index)
  }

  private func turn(_ index: Int) -> UnsafeMutablePointer<Float> {
    kept.pointer + kept.count - (index % 2 + 1) * Self.rounded(tokens * shape.width)
  }

  /// Room of one layer's backward pass.
  struct Backward {
    /// Gradient of the residual stream, T·D, changed in place from layer to layer.
    let stream: UnsafeMutablePointer<Float>
    /// Gradients of what attention and MLP gave before it joined the stream, T·D. Attention's is the stream itself, between
    /// MLP and attention, where nothing stands between the two.
    let attentionBranch, mlpBranch: UnsafeMutablePointer<Float>
    /// Normed states and the MLP's product, made again; gradients of attention's output and of the two first products.
    let normed, product, dattention, dqkv, mlpInput: UnsafeMutablePointer<Float>
    let adapter: LayerAdapter.Room
  }

  var backwardRoom: Backward {
    var next = backward.pointer
    func take(_ count: Int) -> UnsafeMutablePointer<Float> {
      defer { next += Self.rounded(count) }
      return next
    }
    let stream = take(tokens * shape.width)
    return Backward(
      stream: stream, attentionBranch: shape.model.changesBranches ? take(tokens * shape.width) : stream,
      mlpBranch: take(tokens * shape.width), normed: take(tokens * shape.width),
      product: take(tokens * shape.mlpWidth), dattention: take(tokens * shape.queryWidth),
      dqkv: take(tokens * shape.qkvWidth), mlpInput: take(tokens * shape.mlpInputWidth),
      adapter: LayerAdapter.Room(
        pointer: take(tokens * adapterPerToken),
        tokens: tokens))
  }

  /// Room of a worker's adapters, behind its desk.
  func adapterDesk(_ worker: Int) -> UnsafeMutablePointer<Float> {
    desk(worker) + deskStride - Self.rounded(Self.panelLimit * adapterRank)
  }

  func desk(_ worker: Int) -> UnsafeMutablePointer<Float> { desks.pointer + worker * deskStride }

  /// Where ``NormSums`` are made.
  var partialSums: UnsafeMutablePointer<Float> { partial.pointer }
  /// Floats between the sums of two panels.
  var partialStride: Int { Self.rounded(max(shape.width, shape.queryWidth)) }
}
