import Compute
import OrderedJSON
import RunFolder

/// What scores depend on. Scores are used only where all of it is equal.
package struct ScoreIdentity: Sendable, Equatable {
  static let version = 2

  /// Content hash of the frozen model's folder or file.
  package let modelHash: String
  /// Hash of all tokenised pairs in order: data, tokenizer, chat template and truncation.
  package let dataHash: String
  package let rowCount: Int
  /// Name and hash of the contrastive template; nil when only reference log-probs are there.
  package let templateName: String?
  package let templateHash: String?
  /// Content hash of the model that token rewards are of, where they are not made by contrastive prompts.
  package let rewardModelHash: String?
  /// How memory held the frozen model's weights: rounded ones give other log-probs.
  package let weights: WeightType
  package let maxLength: Int?
  package let maxPromptLength: Int?

  package init(
    modelHash: String, dataHash: String, rowCount: Int, template: ContrastiveTemplate?,
    rewardModelHash: String? = nil, weights: WeightType, maxLength: Int?, maxPromptLength: Int?
  ) {
    self.modelHash = modelHash
    self.dataHash = dataHash
    self.rowCount = rowCount
    templateName = template?.name
    templateHash = template?.hash
    self.rewardModelHash = rewardModelHash
    self.weights = weights
    self.maxLength = maxLength
    self.maxPromptLength = maxPromptLength
  }

  /// Whether token rewards are there beside reference log-probs.
  var hasRewards: Bool { templateHash != nil || rewardModelHash != nil }

  var json: JSONValue {
    func optional(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? nil }
    func optional(_ value: String?) -> JSONValue { value.map { .string($0) } ?? nil }
    return [
      "version": .integer(Self.version), "model_hash": .string(modelHash), "data_hash": .string(dataHash),
      "rows": .integer(rowCount), "template": optional(templateName), "template_hash": optional(templateHash),
      "reward_model_hash": optional(rewardModelHash), "weights": .string(weights.rawValue),
      "max_length": optional(maxLength), "max_prompt_length": optional(maxPromptLength),
    ]
  }

  /// Why scores with the identity `found` cannot be used where `self` is asked for; nil when they can.
  ///
  /// Scores with token rewards serve where only the reference is asked for.
  func mismatch(with found: JSONValue) -> String? {
    guard found["version"]?.integer == Self.version else {
      return "made by a version of this program whose files are not read any more"
    }
    func differs(_ key: String) -> Bool { json[key] != found[key] ?? .null }
    func pair(_ key: String) -> String { "\(found[key]?.text() ?? "nothing"), not \(json[key]!.text())" }
    if differs("model_hash") { return "made with another model (hash \(pair("model_hash")))" }
    if differs("weights") { return "made with weights: \(pair("weights"))" }
    if differs("max_length") { return "made with max_length \(pair("max_length"))" }
    if differs("max_prompt_length") { return "made with max_prompt_length \(pair("max_prompt_length"))" }
    if differs("rows") { return "made from other data (rows: \(pair("rows")))" }
    if differs("data_hash") { return "made from other data, tokenizer or chat template (hash \(pair("data_hash")))" }
    guard hasRewards, differs("template_hash") || differs("reward_model_hash") else { return nil }
    let (template, model) = (found["template_hash"] ?? .null, found["reward_model_hash"] ?? .null)
    if template.isNull, model.isNull { return "made without token rewards" }
    if rewardModelHash != nil {
      return model.isNull
        ? "made with contrastive prompts, not with treg_reward_model" : "made with another treg_reward_model"
    }
    return template.isNull
      ? "made with the rewards of a model, not by contrastive prompts"
      : "made with another contrastive template (\(pair("template")))"
  }
}
