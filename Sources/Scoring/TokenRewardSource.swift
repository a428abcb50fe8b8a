import Compute
import ModelFiles
import PreferenceData
import RunFolder
import Transformer

/// Where token rewards come from, beside the reference.
package enum TokenRewardSource {
  /// The reference itself, after two prompts.
  case contrastive(ContrastiveTemplate)
  /// A model trained by DPO, and the hash of its content: r̂ = σ(log π_dpo − log π_ref) − ½, the paper's ablation.
  case model(ModelSource, hash: String)

  /// - Throws: 66 and 65 when the model cannot be read.
  package init(model: String) throws {
    let source = try ModelSource.open(model)
    self = .model(source, hash: try source.contentHash)
  }

  package var template: ContrastiveTemplate? {
    if case .contrastive(let template) = self { template } else { nil }
  }

  package var modelHash: String? {
    if case .model(_, let hash) = self { hash } else { nil }
  }

  /// Elements of the model that is loaded to make token rewards, in fp32; nil where the reference makes them.
  package var modelElements: Int? {
    if case .model(let source, _) = self { source.model.bufferCount } else { nil }
  }

  /// - Throws: 78 when a model of its own has another vocabulary than the reference.
  package func check(against reference: ModelSource) throws {
    guard case .model(let source, _) = self,
      source.model.vocabularySize != reference.model.vocabularySize
    else { return }
    throw TregError.configuration(
      at: "treg_reward_model",
      "its vocabulary has \(source.model.vocabularySize) tokens, the reference's \(reference.model.vocabularySize)")
  }
}

extension Scorer {
  /// A scorer of rewards from `source`; nil scores the reference alone.
  ///
  /// - Parameters:
  ///   - model: holds the reference's weights.
  ///   - microBatchTokens: tokens that training computes at once.
  package convenience init(
    model: Transformer, rewards source: TokenRewardSource?, tokenizer: PairTokenizer, microBatchTokens: Int
  ) throws {
    switch source {
    case nil: self.init(model: model, prompter: nil, microBatchTokens: microBatchTokens)
    case .contrastive(let template):
      self.init(
        model: model,
        prompter: ContrastivePrompter(
          template: template, tokenizer: tokenizer, contextLimit: model.description.maximumLength),
        microBatchTokens: microBatchTokens)
    case .model(let source, _):
      self.init(
        model: model, prompter: nil, rewardModel: try Transformer(loading: source, workers: model.workers),
        microBatchTokens: microBatchTokens)
    }
  }
}
