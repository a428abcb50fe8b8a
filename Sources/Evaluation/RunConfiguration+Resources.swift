import Compute
import Configuration
import ModelDescription
import PreferenceData
import RunFolder

/// What a configuration comes to on this machine and with this model.
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

  package func threadCount(environment: [String: String]) -> Int {
    switch threads {
    case .automatic: ThreadChoice.automatic(environment: environment)
    case .count(let count): count
    }
  }

  /// - Throws: 78 when the limits contradict each other or pass the model's context.
  package func lengthLimits(for model: ModelDescription) throws -> LengthLimits {
    guard maxLength <= model.maximumLength else {
      throw TregError.configuration(
        at: "max_length", "\(maxLength) passes the model's context of \(model.maximumLength) tokens")
    }
    return try LengthLimits(maxLength: maxLength, maxPromptLength: maxPromptLength)
  }
}
