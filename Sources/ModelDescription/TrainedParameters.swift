/// The weights that train, told apart from those that do not: gradients, optimizer, masters and checkpoints hold these
/// alone, and memory is counted by them.
package struct TrainedParameters: Sendable, Hashable {
  /// In the order of their flat buffer, which is that in which the backward pass finishes their gradients.
  package let parameters: [Parameter]
  package let bufferCount: Int
  /// Whether they are a model's own, rather than tensors beside it.
  package let areModels: Bool

  /// All of a model's, or its adapter's where it has one.
  package init(_ model: ModelDescription, lowRank: LowRankLayout? = nil) {
    parameters = lowRank?.parameters ?? model.parameters
    bufferCount = lowRank?.bufferCount ?? model.bufferCount
    areModels = lowRank == nil
  }

  package var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }
}
