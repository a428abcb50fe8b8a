import Compute

/// What the forward pass keeps for the backward pass, and the room both work in; it grows to the largest batch seen.
///
/// Kept per token and layer: the layer's input (D), queries, keys and values, the attention's output, the state between
/// attention and MLP (D), gate and up (2F), two norm scales and H softmax sums: 4(4D + 2D_kv + 2F + H) bytes for a
/// model whose heads fill its width. The normed states and the product of gate and up are made again.
struct Activations {
  /// One layer's kept values.
  struct Layer {
    let input, qkv, attention, middle, gateUp, inputScale, middleScale, lse: UnsafeMutablePointer<Float>
  }

  private var kept = Scratch()
  private var backward = Scratch()
  private var desks = Scratch()
  private var partial = Scratch()
  private var layerStride = 0
  private var tokens = 0
  private var deskStride = 0
  private let shape: ModelShape
  private let attention: TreeAttention
  private let threads: Int

  /// Rows of the largest token panel.
  static let panelLimit = 160
  private(set) var panels = Panels(0, limit: panelLimit)
  private(set) var longest = 0

  init(shape: ModelShape, attention: TreeAttention, threads: Int) {
    self.shape = shape
    self.attention = attention
    self.threads = threads
  }

  private static func rounded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

  /// Makes room for a batch.
  mutating func reserve(_ batch: PackedBatch, forBackward: Bool) {
    tokens = batch.tokenCount
    longest = batch.longestPath
    panels = Panels(tokens, limit: Self.panelLimit)
    let perToken = 2 * shape.width + shape.qkvWidth + shape.queryWidth + 2 * shape.mlpWidth + shape.heads + 2
    layerStride = Self.rounded(perToken * tokens)
    let layers = forBackward ? shape.layers.count : 1
    // Without a backward pass one layer's room serves all; its output takes turns between two places.
    _ = kept.reserve(layers * layerStride + 2 * Self.rounded(tokens * shape.width))
    let panelRoom = Self.panelLimit * (shape.width + shape.mlpWidth)
    deskStride = Self.rounded(max(attention.scratchCount(longest: longest), panelRoom))
    _ = desks.reserve(threads * deskStride)
    guard forBackward else { return }
    _ = backward.reserve(
      tokens * (3 * shape.width + shape.queryWidth + shape.qkvWidth + 3 * shape.mlpWidth) + 8 * 16)
    _ = partial.reserve(2 * panels.count * shape.width)
  }

  /// The kept values of layer `index`; of the only one when nothing is kept.
  func layer(_ index: Int, kept all: Bool) -> Layer {
    var next = kept.pointer + (all ? index : 0) * layerStride
    func take(_ count: Int) -> UnsafeMutablePointer<Float> {
      defer { next += count }
      return next
    }
    return Layer(
      input: all ? take(tokens * shape.width) : turn(index), qkv: take(tokens * shape.qkvWidth),
      attention: take(tokens * shape.queryWidth), middle: take(tokens * shape.width),
      gateUp: take(tokens * 2 * shape.mlpWidth), inputScale: take(tokens), middleScale: take(tokens),
      lse: take(tokens * shape.heads))
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
    /// The same as it came into the layer, T·D.
    let streamIn: UnsafeMutablePointer<Float>
    let normed, dattention, dqkv, dgateUp, product: UnsafeMutablePointer<Float>
  }

  var backwardRoom: Backward {
    var next = backward.pointer
    func take(_ count: Int) -> UnsafeMutablePointer<Float> {
      defer { next += Self.rounded(count) }
      return next
    }
    return Backward(
      stream: take(tokens * shape.width), streamIn: take(tokens * shape.width), normed: take(tokens * shape.width),
      dattention: take(tokens * shape.queryWidth), dqkv: take(tokens * shape.qkvWidth),
      dgateUp: take(tokens * 2 * shape.mlpWidth), product: take(tokens * shape.mlpWidth))
  }

  func desk(_ worker: Int) -> UnsafeMutablePointer<Float> { desks.pointer + worker * deskStride }

  /// Sums of a norm's weight gradient, one row of D per panel and norm.
  func partialSums(norm: Int) -> UnsafeMutablePointer<Float> { partial.pointer + norm * panels.count * shape.width }
}
