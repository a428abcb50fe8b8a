import Configuration
import ModelDescription
import ModelFiles
import OrderedJSON
import PreferenceData
import Reporting
import RunFolder
import Scoring
import Tokenization

/// What a model is and what training it takes. Making one proves that it can be trained: every tensor is there with its
/// shape, and a pair becomes tokens through its tokenizer and chat template.
package struct ModelReport {
  private let source: ModelSource
  private let tokenizer: Tokenizer
  private let configuration: RunConfiguration
  private let formula: MemoryFormula

  /// - Parameter configuration: `model`, and what decides lengths and micro-batches.
  /// - Throws: the reason why the model cannot be trained.
  package init(_ configuration: RunConfiguration, environment: [String: String]) throws {
    self.configuration = configuration
    source = try ModelSource.open(configuration.model)
    tokenizer = try source.tokenizer()
    let model = source.model
    guard tokenizer.vocabularySize <= model.vocabularySize else {
      throw TregError.badData(
        at: source.place,
        "the tokenizer has \(tokenizer.vocabularySize) tokens, the model only \(model.vocabularySize)")
    }
    // The model's context counts where the default limit passes it.
    let limits = try LengthLimits(maxLength: min(configuration.maxLength, model.maximumLength))
    _ = try source.pairTokenizer(tokenizer, limits: limits).tokenize(
      Self.sample(isConversation: source.chatTemplate != nil))
    let tokens = configuration.microBatchTokenCount
    formula = try MemoryFormula(
      model,
      .init(
        tokens: tokens, scoredTokens: tokens, threads: configuration.threadCount(environment: environment),
        weightBytes: configuration.weightType(of: source).byteCount,
        lowRank: configuration.lowRank(of: source)))
  }

  private static func sample(isConversation: Bool) -> PreferenceRow {
    func passage(_ role: String, _ text: String) -> Passage {
      isConversation ? .messages([Message(role: role, content: text)]) : .text(text)
    }
    return PreferenceRow(
      row: 0, place: "a pair to try tokenizer and chat template", prompt: passage("user", "Which is larger, 2 or 3?"),
      chosen: passage("assistant", "3 is larger."), rejected: passage("assistant", "Both are numbers."))
  }

  package var lines: [(name: String, finding: String)] {
    let model = source.model
    let trained = TrainedParameters(model, lowRank: formula.workload.lowRank)
    return [
      ("model", source.place),
      (
        "architecture",
        "\(model.architecture), \(model.layerCount) layers of width \(model.width), \(model.headCount) heads on "
          + "\(model.keyValueHeadCount), context \(model.maximumLength)"
      ),
      ("parameters", NumberFormat.count(model.parameterCount)),
      (
        "tokenizer",
        "\(NumberFormat.count(tokenizer.vocabularySize)) tokens of \(NumberFormat.count(model.vocabularySize))"
      ),
      ("chat template", source.chatTemplate == nil ? "none: rows have to be plain text" : "present"),
      (
        "training",
        trained.areModels
          ? "possible" : "possible, of \(NumberFormat.count(trained.parameterCount)) parameters of adapters"
      ),
    ]
  }

  /// The memory of one solo rank, term by term.
  package var memory: String {
    "memory of one rank, \(formula.workload.tokens) tokens in a micro-batch:\n\(formula)"
  }

  /// - Throws: 78 when one rank needs more than is free.
  package func check(availableBytes: Int?) throws {
    guard let availableBytes, formula.totalBytes > availableBytes else { return }
    throw TregError.configuration(
      at: source.place,
      "training needs \(MemoryFormula.readable(formula.totalBytes)) of memory, \(MemoryFormula.readable(availableBytes)) are free"
    )
  }
}
