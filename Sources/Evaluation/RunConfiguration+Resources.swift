import Compute
import Configuration
import ModelDescription
import PreferenceData
import RunFolder

/// What a configuration comes to on this machine and with this model.
extension RunConfiguration {
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
        at: "max_length",
        "\(maxLength) passes the model's context of \(model.maximumLength) tokens; set it to \(model.maximumLength) or less"
      )
    }
    return try LengthLimits(maxLength: maxLength, maxPromptLength: maxPromptLength)
  }
}
