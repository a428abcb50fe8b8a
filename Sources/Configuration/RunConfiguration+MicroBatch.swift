extension RunConfiguration {
  /// Packed tokens of a micro-batch unless the user says otherwise: small enough that activations stay below the weights
  /// of small models. Weights and gradients pass through the caches once for each, and products pack weights once for
  /// each panel: 1,024 tokens take 5 % more processor time for SmolLM2-135M, 2,048 no less.
  private static let automaticMicroBatchTokens = 1536

  package var microBatchTokenCount: Int {
    switch microBatchTokens {
    case .automatic: Self.automaticMicroBatchTokens
    case .count(let count): count
    }
  }
}
