import OrderedJSON
import RunFolder

/// What scores depend on. Scores are used only where all of it is equal.
package struct ScoreIdentity: Sendable, Equatable {
  static let version = 1

  /// Content hash of the frozen model's folder or file.
  package let modelHash: String
  /// Hash of all tokenised pairs in order: data, tokenizer, chat template and truncation.
  package let dataHash: String
  package let rowCount: Int
  /// Name and hash of the contrastive template; nil when only reference log-probs are there.
  package let templateName: String?
  package let templateHash: String?
  package let maxLength: Int?
  package let maxPromptLength: Int?

  package init(
    modelHash: String, dataHash: String, rowCount: Int, template: ContrastiveTemplate?, maxLength: Int?,
    maxPromptLength: Int?
  ) {
    self.modelHash = modelHash
    self.dataHash = dataHash
    self.rowCount = rowCount
    templateName = template?.name
    templateHash = template?.hash
    self.maxLength = maxLength
    self.maxPromptLength = maxPromptLength
  }

  var json: JSONValue {
    func optional(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? nil }
    func optional(_ value: String?) -> JSONValue { value.map { .string($0) } ?? nil }
    return [
      "version": .integer(Self.version), "model_hash": .string(modelHash), "data_hash": .string(dataHash),
      "rows": .integer(rowCount), "template": optional(templateName), "template_hash": optional(templateHash),
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
    func differs(_ key: String) -> Bool { json[key] != found[key] }
    func pair(_ key: String) -> String { "\(found[key]?.text() ?? "nothing"), not \(json[key]!.text())" }
    if differs("model_hash") { return "made with another model (hash \(pair("model_hash")))" }
    if differs("max_length") { return "made with max_length \(pair("max_length"))" }
    if differs("max_prompt_length") { return "made with max_prompt_length \(pair("max_prompt_length"))" }
    if differs("rows") { return "made from other data (rows: \(pair("rows")))" }
    if differs("data_hash") { return "made from other data, tokenizer or chat template (hash \(pair("data_hash")))" }
    if templateHash != nil, differs("template_hash") {
      return found["template_hash"]?.isNull ?? true
        ? "made without token rewards" : "made with another contrastive template (\(pair("template")))"
    }
    return nil
  }
}
