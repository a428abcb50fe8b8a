import ChatTemplates
import Compute
import ModelFiles
import OrderedJSON
import PreferenceData
import RunFolder
import Tokenization
import Transformer

extension ModelSource {
  /// Text in and out of the model: its tokenizer.
  package func tokenizer() throws -> Tokenizer {
    try Tokenizer(tokenizerJSON: tokenizerJSON, place: FileSystem.join(place, "tokenizer.json"))
  }

  /// Rows to tokens, as this model's tokenizer and chat template have it.
  package func pairTokenizer(_ tokenizer: Tokenizer, limits: LengthLimits) throws -> PairTokenizer {
    let names = ["bos_token", "eos_token", "unk_token", "pad_token"]
    // transformers always passes these two, so that templates may ask whether they are none.
    var variables: [String: JSONValue] = ["tools": .null, "documents": .null]
    for name in names {
      if let text = specialToken(name) { variables[name] = .string(text) }
    }
    var hash = ContentHash()
    for part in [tokenizerJSON.text(), chatTemplate ?? ""] {
      hash.update(part.utf8.count)
      hash.update(part)
    }
    return PairTokenizer(
      tokenizer: tokenizer,
      template: try chatTemplate.map { try ChatTemplate(source: $0, place: FileSystem.join(place, "chat template")) },
      templateVariables: variables, endToken: specialToken("eos_token"), endTokens: endTokens, limits: limits,
      sourceHash: hash.hexadecimal)
  }

  /// A special token's text: tokenizer_config.json holds it as a string or as an object with `content`.
  package func specialToken(_ name: String) -> String? {
    let value = tokenizerConfiguration[name]
    return value?.string ?? value?["content"]?.string
  }

  /// Tokens that end a turn, by config.json and generation_config.json.
  package var endTokens: [Int] {
    let value = generationConfiguration?["eos_token_id"]
    return model.endTokens + (value?.array?.compactMap(\.integer) ?? value?.integer.map { [$0] } ?? [])
  }
}

extension Transformer {
  /// A model with the weights of `source`, rounded to `type` as they are read.
  ///
  /// - Parameter merging: whether an adapter becomes part of the weights, rather than standing beside them in fp32; nil: when
  ///   they are fp32, where that loses nothing.
  package convenience init(
    loading source: ModelSource, weights type: WeightType = .float32, merging: Bool? = nil, workers: Workers
  ) throws {
    let beside = merging ?? (type == .float32) ? nil : source.adapter
    let files = beside?.base ?? source.weights
    let weights = WeightBuffer(count: source.model.bufferCount, type: type)
    if let floats = weights.floats {
      try files.load(source.model, into: floats.all)
    } else {
      try files.load(source.model, into: weights.halves, as: StorageType(rawValue: type.rawValue)!)
    }
    let adapter = try beside.map { beside in
      let adapter = LowRankAdapter(beside.layout)
      try beside.folder.load(beside.layout, into: adapter.values.all)
      return adapter
    }
    self.init(description: source.model, weights: weights, workers: workers, adapter: adapter)
  }
}
