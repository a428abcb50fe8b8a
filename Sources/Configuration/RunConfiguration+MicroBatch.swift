extension RunConfiguration {
  /// Packed tokens of a micro-batch unless the user says otherwise: large enough for GEMM at full speed, small enough
  /// that activations stay below the weights of small models.
  private static let automaticMicroBatchTokens = 1024

  package var microBatchTokenCount: Int {
    switch microBatchTokens {
    case .automatic: Self.automaticMicroBatchTokens
    case .count(let count): count
    }
  }
}
