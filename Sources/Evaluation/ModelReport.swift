import ChatTemplates
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
  private let sample: TokenizedPair
  /// Whether the template takes a system turn; nil without a template.
  private let takesSystemTurn: Bool?
  package let budget: MemoryBudget

  /// - Parameter configuration: `model`, and what decides lengths, micro-batches and adapters.
  /// - Throws: the reason why the model cannot be trained.
  package init(_ configuration: RunConfiguration, environment: [String: String]) throws {
    self.configuration = configuration
    source = try ModelSource.open(configuration.model, environment: environment)
    tokenizer = try source.tokenizer()
    let model = source.model
    guard tokenizer.vocabularySize <= model.vocabularySize else {
      throw TregError.badData(
        at: source.place,
        "the tokenizer has \(tokenizer.vocabularySize) tokens, the model only \(model.vocabularySize)")
    }
    // The model's context counts where the default limit passes it.
    let limits = try LengthLimits(maxLength: min(configuration.maxLength, model.maximumLength))
    let pairTokenizer = try source.pairTokenizer(tokenizer, limits: limits)
    sample = try pairTokenizer.tokenize(Self.sample(isConversation: source.chatTemplate != nil))
    takesSystemTurn = pairTokenizer.render.map { render in
      let turns = [Message(role: "system", content: "Be brief."), Message(role: "user", content: "Hello")]
      return (try? render(turns.map(\.raw), true, [:]).contains("Be brief.")) ?? false
    }
    budget = try MemoryBudget(
      source, configuration, threads: configuration.threadCount(environment: environment), environment: environment)
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
    return [
      ("model", TokenColouring.visibleLine(source.place)), ("", kind), ("architecture", model.architecture),
      ("", model.sizes), ("", model.traits.joined(separator: ", ")),
      ("parameters", "\(NumberFormat.count(model.parameterCount)), stored as \(stored)"),
      ("context", "\(NumberFormat.count(model.maximumLength)) tokens"), ("tokenizer", tokenizerLine),
      ("special tokens", specialTokens), ("chat template", template),
    ] + warnings.map { ("note", $0) }
  }

  private var kind: String {
    switch FileSystem.kind(of: source.place) {
    case .folder where AdapterFolder.isAdapter(source.place):
      let base = (try? AdapterFolder(source.place).base) ?? "?"
      return "a PEFT adapter on \(TokenColouring.visibleLine(base))"
    case .folder: return "a Hugging Face folder"
    default: return "a GGUF file"
    }
  }

  /// Types of the model's tensors by their share, and the size of the files.
  private var stored: String {
    var elements: [String: Int] = [:]
    for name in (try? source.weights.storedNames(of: source.model)) ?? [] {
      let count = source.weights.shape(of: name)?.reduce(1, *) ?? 0
      elements[source.weights.storedType(of: name) ?? "?", default: 0] += count
    }
    let types = elements.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    let bytes = source.weights.files.reduce(0) { $0 + ((try? FileSystem.size(of: $1)) ?? 0) }
    let count = source.weights.files.count
    return "\(types.joined(separator: ", ")), \(MemoryFormula.readable(bytes)) in \(count) file\(count == 1 ? "" : "s")"
  }

  private var tokenizerLine: String {
    let model = source.tokenizerJSON["model"]
    var kind = model?["type"]?.string ?? "BPE"
    if model?["byte_fallback"]?.bool == true { kind += " with byte fallback" }
    let parts = [source.tokenizerJSON["pre_tokenizer"], source.tokenizerJSON["decoder"]].compactMap { $0?.text() }
    if parts.contains(where: { $0.contains("ByteLevel") }) { kind = "byte-level " + kind }
    return
      "\(kind), \(NumberFormat.count(tokenizer.vocabularySize)) tokens for \(NumberFormat.count(source.model.vocabularySize)) rows of the embedding"
  }

  private var endTokens: [Int] {
    let own = source.specialToken("eos_token").flatMap { tokenizer.id(of: $0) }.map { [Int($0)] } ?? []
    var seen: Set<Int> = []
    return (own + source.endTokens).filter { seen.insert($0).inserted }
  }

  private var specialTokens: String {
    func named(_ token: Int) -> String {
      let text = Int32(exactly: token).flatMap { tokenizer.token(of: $0) } ?? "?"
      return "\(TokenColouring.visibleLine(text)) (\(token))"
    }
    var parts: [String] = []
    if let begin = source.specialToken("bos_token").flatMap({ tokenizer.id(of: $0) }) {
      parts.append("begin \(named(Int(begin)))")
    }
    parts.append("end " + (endTokens.isEmpty ? "none" : endTokens.map(named).joined(separator: " ")))
    if let padding = source.model.paddingToken { parts.append("padding \(named(padding))") }
    return parts.joined(separator: ", ")
  }

  private var template: String {
    guard source.chatTemplate != nil else { return "none: rows have to be plain text" }
    var text = "present; a pair of one turn each renders to \(sample.prompt.count) prompt tokens and "
    text += "\(sample.chosen.scoredCount) and \(sample.rejected.scoredCount) scored ones"
    if takesSystemTurn == false { text += "; it takes no system turn" }
    return text
  }

  /// What does not keep the model from being trained but will surprise.
  private var warnings: [String] {
    var warnings: [String] = []
    if let last = sample.chosen.tokens.last, !endTokens.contains(Int(last)) {
      warnings.append("responses end without an end token: nothing teaches the model where to stop")
    }
    let conversation = sample.prompt + sample.chosen.tokens
    if conversation.count > 1, conversation[0] == conversation[1], tokenizer.isSpecial(conversation[0]) {
      warnings.append("conversations begin with the same special token twice")
    }
    if configuration.maxLength > source.model.maximumLength {
      warnings.append(
        "max_length \(configuration.maxLength) passes the context: train with --max-length \(source.model.maximumLength) or less"
      )
    }
    return warnings
  }

  /// Whether one rank fits, in one line.
  ///
  /// - Throws: 78 when one rank needs more than is free, with what would fit.
  package func verdict(availableBytes: Int?) throws -> String {
    guard let availableBytes else { return "can be trained" }
    let free = MemoryFormula.readable(availableBytes)
    guard budget.oneRankBytes > availableBytes else { return "can be trained here: \(free) are free" }
    let remedies = budget.remedies(availableBytes: availableBytes)
    throw TregError.configuration(
      at: source.place,
      "can be trained, but not here: one rank needs \(MemoryFormula.readable(budget.oneRankBytes)), \(free) are free; "
        + (remedies.isEmpty
          ? "a smaller model or more memory is needed" : "it fits with \(remedies.joined(separator: ", or "))"))
  }
}
