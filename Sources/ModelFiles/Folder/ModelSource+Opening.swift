import Foundation
import ModelDescription
import OrderedJSON
import RunFolder

extension ModelSource {
  /// Opens a Hugging Face folder, a GGUF file, a PEFT adapter's folder, or a model named `org/name` in the local Hugging
  /// Face cache. An adapter is merged into the model that its configuration names.
  ///
  /// A path that exists wins over a name. Nothing is ever downloaded.
  /// - Parameter environment: where the cache's place is looked up.
  /// - Throws: ``TregError``: 66 with what was tried when nothing is found, 65 when a file is broken or not supported, or a
  ///   tensor is missing or of another shape than config.json says.
  package static func open(
    _ path: String, environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> ModelSource {
    let source = try find(path, environment)
    // Every tensor is there and has its shape: whoever allocates by the configuration's sizes can rely on them.
    _ = try source.weights.storedNames(of: source.model)
    return source
  }

  private static func find(
    _ path: String, _ environment: [String: String], mayBeAdapter: Bool = true
  ) throws -> ModelSource {
    switch FileSystem.kind(of: path) {
    case .folder where AdapterFolder.isAdapter(path):
      guard mayBeAdapter else {
        throw TregError.badData(at: path, "an adapter of an adapter; `treg convert` merges one into its model first")
      }
      return try openAdapter(path, environment)
    case .folder: return try openFolder(path, name: absolute(path))
    case .file, .other: return try openFile(path)
    case nil: break
    }
    let cache = HubCache(environment: environment)
    guard let folder = try cache.folder(of: path, .model) else {
      let tried = HubCache.isName(path) ? "; no \(cache.place(of: path, .model)) either" : ""
      throw TregError.missing(
        at: path, "no such folder or file\(tried); a model is a folder, a .gguf file or org/name from the local cache")
    }
    guard !AdapterFolder.isAdapter(folder) else {
      return try mayBeAdapter ? openAdapter(folder, environment) : find(folder, environment, mayBeAdapter: false)
    }
    return try openFolder(folder, name: path)
  }

  private static func absolute(_ path: String) -> String { URL(filePath: path).standardizedFileURL.path }

  private static func openAdapter(_ path: String, _ environment: [String: String]) throws -> ModelSource {
    let adapter = try AdapterFolder(path)
    let base: ModelSource
    do {
      base = try find(adapter.base, environment, mayBeAdapter: false)
    } catch let error as TregError where error.exitCode == .inputMissing {
      throw TregError.missing(at: path, "the adapted model \(adapter.base) is not there: \(error.message)")
    }
    _ = try base.weights.storedNames(of: base.model)
    let layout = try adapter.layout(of: base.model)
    // Whoever trained the adapter may have given the tokenizer another chat template.
    let texts = FileSystem.kind(of: FileSystem.join(path, "tokenizer.json")) == nil ? nil : try Texts(path)
    let settings = base.companions.filter { $0.name == "generation_config.json" }
    return ModelSource(
      place: path, name: absolute(path), configuration: base.configuration, model: base.model,
      tokenizerJSON: texts?.tokenizer ?? base.tokenizerJSON,
      tokenizerConfiguration: texts?.tokenizerConfiguration ?? base.tokenizerConfiguration,
      chatTemplate: texts == nil ? base.chatTemplate : texts!.chatTemplate,
      generationConfiguration: base.generationConfiguration,
      weights: try MergedWeights(base.weights, adapter, layout, model: base.model),
      adapter: StartingAdapter(folder: adapter, layout: layout, base: base.weights, baseName: base.name),
      companions: texts.map { $0.companions.filter { $0.name != "generation_config.json" } + settings }
        ?? base.companions)
  }

  private static func openFile(_ path: String) throws -> ModelSource {
    if path.hasSuffix(".safetensors") {
      throw TregError.badData(at: path, "weights alone are no model; name the folder that holds them and config.json")
    }
    let file = try GGUFFile(path)
    let (configuration, weights) = try file.huggingFaceModel()
    let tokenizer = try GGUFTokenizer(file)
    let tokenizerJSON = try tokenizer.tokenizerJSON()
    let tokenizerConfiguration = try tokenizer.tokenizerConfiguration()
    let generation = try file.generationConfiguration()
    let companions = [
      ("generation_config.json", generation), ("special_tokens_map.json", try tokenizer.specialTokensMap()),
      ("tokenizer.json", tokenizerJSON), ("tokenizer_config.json", tokenizerConfiguration),
    ].map { CompanionFile(name: $0, bytes: Array(($1.text(.indented(2)) + "\n").utf8)) }
    return ModelSource(
      place: path, name: absolute(path), configuration: configuration,
      model: try ModelDescription(configuration: configuration, place: path), tokenizerJSON: tokenizerJSON,
      tokenizerConfiguration: tokenizerConfiguration, chatTemplate: try file.string("tokenizer.chat_template"),
      generationConfiguration: generation, weights: weights, adapter: nil, companions: companions)
  }

  /// Files besides weights and config.json that belong to a model.
  static let companionNames = [
    "added_tokens.json", "chat_template.jinja", "chat_template.json", "generation_config.json", "merges.txt",
    "special_tokens_map.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json",
  ]

  private static func openFolder(_ folder: String, name: String) throws -> ModelSource {
    func path(_ name: String) -> String { FileSystem.join(folder, name) }
    guard FileSystem.kind(of: path("config.json")) != nil else {
      let names = try FileSystem.contents(ofFolder: folder)
      if let file = names.first(where: { $0.hasSuffix(".gguf") }) {
        throw TregError.missing(at: folder, "holds no config.json; name the GGUF file itself: \(path(file))")
      }
      throw TregError.missing(at: folder, "holds no config.json: not a model's folder")
    }
    let configuration = try JSONFile.read(path("config.json"))
    let model = try ModelDescription(configuration: configuration, place: path("config.json"))
    let texts = try Texts(folder)
    return ModelSource(
      place: folder, name: name, configuration: configuration, model: model, tokenizerJSON: texts.tokenizer,
      tokenizerConfiguration: texts.tokenizerConfiguration, chatTemplate: texts.chatTemplate,
      generationConfiguration: texts.generation, weights: try SafetensorsFolder(folder), adapter: nil,
      companions: texts.companions)
  }

  /// What a folder holds besides weights and config.json.
  private struct Texts {
    let tokenizer, tokenizerConfiguration: JSONValue
    let generation: JSONValue?
    let chatTemplate: String?
    let companions: [CompanionFile]

    /// - Throws: 66 without a tokenizer.json; 65 when a file is broken.
    init(_ folder: String) throws {
      func path(_ name: String) -> String { FileSystem.join(folder, name) }
      let companions = try ModelSource.companionNames.filter { FileSystem.kind(of: path($0)) != nil }.map {
        CompanionFile(name: $0, bytes: try FileSystem.readBytes(path($0), maximumCount: JSONFile.maximumCount))
      }
      func json(_ name: String) throws -> JSONValue? {
        guard let file = companions.first(where: { $0.name == name }) else { return nil }
        return try JSONFile.parse(file.bytes, place: path(name))
      }
      guard let tokenizer = try json("tokenizer.json") else {
        let old = companions.first { $0.name == "tokenizer.model" || $0.name == "vocab.json" }
        let hint = old.map { "; \($0.name) is there: save the tokenizer with use_fast=True in transformers" } ?? ""
        throw TregError.missing(at: path("tokenizer.json"), "no such file\(hint)")
      }
      tokenizerConfiguration = try json("tokenizer_config.json") ?? .object([:])
      generation = try json("generation_config.json")
      chatTemplate = try ModelSource.chatTemplate(
        companions, tokenizerConfiguration: tokenizerConfiguration, legacy: json("chat_template.json"), folder: folder)
      self.tokenizer = tokenizer
      self.companions = companions
    }
  }

  /// The template in use: `chat_template.jinja` before `tokenizer_config.json` before `chat_template.json`; of several named
  /// ones the one called `default`.
  private static func chatTemplate(
    _ companions: [CompanionFile], tokenizerConfiguration: JSONValue, legacy: JSONValue?, folder: String
  ) throws -> String? {
    if let file = companions.first(where: { $0.name == "chat_template.jinja" }) {
      guard let text = String(validating: file.bytes, as: UTF8.self) else {
        throw TregError.badData(at: FileSystem.join(folder, file.name), "the text is not UTF-8")
      }
      return text
    }
    let place = FileSystem.join(folder, "tokenizer_config.json")
    switch tokenizerConfiguration["chat_template"] {
    case nil, .null: return legacy?["chat_template"]?.string
    case .string(let template): return template
    case .array(let named):
      return try named.first { $0["name"]?.string == "default" }.map { entry in
        guard let template = entry["template"]?.string else {
          throw TregError.badData(at: place, "chat_template: the entry named default has no template")
        }
        return template
      }
    case let other?:
      throw TregError.badData(at: place, "chat_template must be a string or a list, found \(other.kind)")
    }
  }
}
