import CKernels
import ModelDescription

/// The gradients of a layer's norms, one sum per block of tokens: added up in the blocks' order, they depend neither on
/// the panels that threads work on nor on which thread made which.
struct NormSums {
  private let memory: UnsafeMutablePointer<Float>
  private let stride: Int
  private let blocks: Int
  private let targets: [Target?]
  private let gradients: UnsafeMutablePointer<Float>

  /// Tokens of a block; panels begin at multiples of it.
  static let blockTokens = 16

  /// The roles that have such sums, in the order of their places.
  static let roles: [Parameter.Role] = [
    .attentionNorm, .attentionNormBias, .queryNorm, .keyNorm, .attentionOutputNorm, .mlpNorm, .mlpNormBias,
    .mlpOutputNorm,
  ]

  /// Where a norm's gradient goes, and its elements.
  typealias Target = (offset: Int, count: Int)

  /// - Parameter targets: of the layer, in the order of ``roles``.
  init(_ room: Activations, gradients: UnsafeMutablePointer<Float>, targets: [Target?]) {
    memory = room.partialSums
    stride = room.partialStride
    blocks = Self.blockCount(room.panels.total)
    self.gradients = gradients
    self.targets = targets
  }

  /// The targets of a layer; nil for norms that it does not have.
  static func targets(of weights: ModelShape.Layer, in shape: ModelShape) -> [Target?] {
    let isPerHead = shape.model.queryKeyNorm == .perHead
    return roles.map { role in
      switch role {
      case .attentionNorm: weights.attentionNorm.map { ($0, shape.width) }
      case .attentionNormBias: weights.attentionNormBias.map { ($0, shape.width) }
      case .queryNorm: weights.queryNorm.map { ($0, isPerHead ? shape.headWidth : shape.queryWidth) }
      case .keyNorm: weights.keyNorm.map { ($0, isPerHead ? shape.headWidth : shape.model.keyValueWidth) }
      case .attentionOutputNorm: weights.outputNorm.map { ($0, shape.width) }
      case .mlpNorm: weights.mlpNorm.map { ($0, shape.width) }
      case .mlpNormBias: weights.mlpNormBias.map { ($0, shape.width) }
      case .mlpOutputNorm: weights.mlpOutputNorm.map { ($0, shape.width) }
      default: nil
      }
    }
  }

  static func blockCount(_ tokens: Int) -> Int { (tokens + blockTokens - 1) / blockTokens }

  /// Calls `body` for every block of a panel.
  func forEachBlock(of panel: Range<Int>, _ body: (Range<Int>) -> Void) {
    for first in Swift.stride(from: panel.lowerBound, to: panel.upperBound, by: Self.blockTokens) {
      body(first..<min(first + Self.blockTokens, panel.upperBound))
    }
  }

  /// The sums of one norm over a block; also a valid address for norms that the model does not have.
  subscript(role: Parameter.Role, block: Range<Int>) -> UnsafeMutablePointer<Float> {
    place(Self.roles.firstIndex(of: role)!, block.lowerBound / Self.blockTokens)
  }

  private func place(_ role: Int, _ block: Int) -> UnsafeMutablePointer<Float> {
    memory + (role * blocks + block) * stride
  }

  func clear(panel: Range<Int>) {
    for (role, target) in targets.enumerated() {
      guard let target else { continue }
      forEachBlock(of: panel) { block in
        place(role, block.lowerBound / Self.blockTokens).update(repeating: 0, count: target.count)
      }
    }
  }

  func addToGradients() {
    for (role, target) in targets.enumerated() {
      guard let target else { continue }
      for block in 0..<blocks { tk_add(gradients + target.offset, place(role, block), Int64(target.count)) }
    }
  }
}
