import CKernels
import ModelDescription

/// The gradients of a layer's norms, one sum per panel of tokens: added up in the panels' order, they do not depend on
/// which thread made which.
struct NormSums {
  private let memory: UnsafeMutablePointer<Float>
  private let stride: Int
  private let panels: Int
  private let targets: [(offset: Int, count: Int)?]
  private let gradients: UnsafeMutablePointer<Float>

  /// The roles that have such sums, in the order of their places.
  static let roles: [Parameter.Role] = [
    .attentionNorm, .attentionNormBias, .queryNorm, .keyNorm, .attentionOutputNorm, .mlpNorm, .mlpNormBias,
    .mlpOutputNorm,
  ]

  init(_ room: Activations, gradients: UnsafeMutablePointer<Float>, weights: ModelShape.Layer) {
    memory = room.partialSums
    stride = room.partialStride
    panels = room.panels.count
    self.gradients = gradients
    let shape = room.shape
    let isPerHead = shape.model.queryKeyNorm == .perHead
    targets = Self.roles.map { role in
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

  /// The sums of one norm and panel; also a valid address for norms that the model does not have.
  subscript(role: Parameter.Role, panel: Int) -> UnsafeMutablePointer<Float> {
    memory + (Self.roles.firstIndex(of: role)! * panels + panel) * stride
  }

  func clear(panel: Int) {
    for (place, target) in targets.enumerated() {
      guard let target else { continue }
      (memory + (place * panels + panel) * stride).update(repeating: 0, count: target.count)
    }
  }

  func addToGradients() {
    for (place, target) in targets.enumerated() {
      guard let target else { continue }
      for panel in 0..<panels {
        tk_add(gradients + target.offset, memory + (place * panels + panel) * stride, Int64(target.count))
      }
    }
  }
}
