import ModelDescription
import OrderedJSON
import RunFolder

/// A PEFT adapter as it lies on disk: `adapter_config.json` and `adapter_model.safetensors`.
///
/// Low-rank adapters of linear layers are read, without biases or other trained modules. Format: PEFT's `LoraConfig` and
/// `save_pretrained`. Which modules have one, the stored tensors say, so that lists, patterns and `all-linear` of
/// `target_modules` come to the same.
package struct AdapterFolder: Sendable {
  package static let configurationName = "adapter_config.json"
  package static let weightsName = "adapter_model.safetensors"

  package let path: String
  /// The model that was adapted, as the file names it.
  package let base: String
  package let weights: SafetensorsFile
  /// The dropout that the adapter was trained with; whoever only reads it needs none.
  package let dropout: Double
  private let place: String
  private let rank: Int
  private let alpha: Double
  private let usesRootScaling: Bool
  private let ranks, alphas: [(pattern: ModulePattern, value: Double)]

  /// Whether a folder holds an adapter rather than a model; some adapters carry a copy of their model's config.json.
  package static func isAdapter(_ folder: String) -> Bool {
    func has(_ name: String) -> Bool { FileSystem.kind(of: FileSystem.join(folder, name)) != nil }
    return has(configurationName) && !has(SafetensorsFolder.singleName) && !has(SafetensorsFolder.indexName)
  }

  /// - Throws: ``TregError`` 65 naming the key of something that is not read, 66 when the weights are missing.
  package init(_ path: String) throws {
    self.path = path
    let place = FileSystem.join(path, Self.configurationName)
    self.place = place
    let configuration = try JSONFile.read(place)
    func failure(_ key: String, _ message: String) -> TregError { .badData(at: place, "\(key) \(message)") }
    guard configuration["peft_type"]?.string == "LORA" else {
      throw failure("peft_type", "must be LORA, found \(configuration["peft_type"]?.text() ?? "nothing")")
    }
    try Self.requirePlain(configuration, place: place)
    guard let rank = configuration["r"]?.integer, Self.possibleRanks.contains(rank) else {
      throw failure("r", "must be a rank of at least 1")
    }
    guard let alpha = configuration["lora_alpha"]?.double, alpha.isFinite else {
      throw failure("lora_alpha", "must be a number")
    }
    guard let base = configuration["base_model_name_or_path"]?.string, !base.isEmpty else {
      throw failure("base_model_name_or_path", "is missing: the adapted model cannot be found")
    }
    self.rank = rank
    self.alpha = alpha
    self.base = base
    usesRootScaling = configuration["use_rslora"]?.bool ?? false
    dropout = configuration["lora_dropout"]?.double ?? 0
    ranks = try Self.patterns("rank_pattern", configuration, place: place)
    alphas = try Self.patterns("alpha_pattern", configuration, place: place)
    guard ranks.allSatisfy({ Int(exactly: $0.value).map(Self.possibleRanks.contains) ?? false }) else {
      throw failure("rank_pattern", "must give ranks of at least 1")
    }
    guard (ranks + alphas).reduce(0, { $0 + $1.pattern.size }) <= 2048 else {
      throw failure("rank_pattern", "and alpha_pattern are too complicated: write modules' names out")
    }
    let file = FileSystem.join(path, Self.weightsName)
    let older = FileSystem.join(path, "adapter_model.bin")
    guard FileSystem.kind(of: file) != nil || FileSystem.kind(of: older) == nil else {
      throw TregError.missing(
        at: file, "no such file; adapter_model.bin is there: save the adapter with safe_serialization=True in peft")
    }
    weights = try SafetensorsFile(file)
  }

  private static let possibleRanks = 1...65_536

  /// - Throws: bad data (65) naming a key by whose value an adapter is more than W + s·B·A.
  private static func requirePlain(_ configuration: JSONValue, place: String) throws {
    let plain: [(key: String, allowed: [JSONValue])] = [
      ("bias", ["none"]), ("use_dora", [false]), ("modules_to_save", [.array([])]), ("layer_replication", []),
      ("lora_bias", [false]), ("use_qalora", [false]), ("trainable_token_indices", [.array([]), .object([:])]),
      ("target_parameters", [.array([])]), ("alora_invocation_tokens", [.array([])]), ("use_bdlora", [false]),
      ("arrow_config", []), ("kasa_config", []), ("velora_config", []), ("monteclora_config", []),
      // Others begin with weights taken out of the model, which its files still hold.
      ("init_lora_weights", [true, false, "gaussian", "eva", "orthogonal", "mica"]),
    ]
    for (key, allowed) in plain {
      guard let value = configuration[key], !value.isNull, !allowed.contains(value) else { continue }
      throw TregError.badData(at: place, "\(key) is \(value.text()), which is not supported")
    }
  }

  private static func patterns(
    _ key: String, _ configuration: JSONValue, place: String
  ) throws -> [(pattern: ModulePattern, value: Double)] {
    guard let value = configuration[key], !value.isNull else { return [] }
    guard let object = value.object else {
      throw TregError.badData(at: place, "\(key) must give numbers by patterns of names")
    }
    return try object.map { name, value in
      guard let number = value.double, number.isFinite else {
        throw TregError.badData(at: place, "\(key): \(name) must have a number")
      }
      guard let pattern = ModulePattern(name) else {
        throw TregError.badData(at: place, "\(key): \(name) is a pattern of a kind that is not read")
      }
      return (pattern, number)
    }
  }

  /// Which of a model's projections are adapted, by the names of the stored tensors.
  ///
  /// - Throws: ``TregError`` 65 when a tensor is missing, is of another shape, or belongs to no projection of the model.
  package func layout(of model: ModelDescription) throws -> LowRankLayout {
    let modules = Set(weights.names.compactMap(Self.module))
    let layout = LowRankLayout(of: model, usesRootScaling: usesRootScaling) { module in
      guard modules.contains("base_model.model." + module) else { return nil }
      func first(_ patterns: [(pattern: ModulePattern, value: Double)]) -> Double? {
        patterns.first { $0.pattern.names(module) }?.value
      }
      return (first(ranks).map { Int($0) } ?? rank, first(alphas) ?? alpha)
    }
    for parameter in layout.parameters {
      guard let shape = weights.shape(of: parameter.name) else {
        throw TregError.badData(at: weights.place, "tensor \(parameter.name) is missing")
      }
      guard shape == parameter.shape else {
        throw TregError.badData(
          at: weights.place, "tensor \(parameter.name) has shape \(shape), expected \(parameter.shape)")
      }
      try weights.requireReadable(parameter.name)
    }
    let known = Set(layout.parameters.map(\.name))
    if let stranger = weights.names.first(where: { !known.contains($0) }) {
      throw TregError.badData(at: weights.place, "tensor \(stranger) is no low-rank adapter of this model's layers")
    }
    guard !layout.projections.isEmpty else { throw TregError.badData(at: weights.place, "holds no tensors") }
    return layout
  }

  private static func module(_ name: String) -> String? {
    for ending in [".lora_A.weight", ".lora_B.weight"] where name.hasSuffix(ending) {
      return String(name.dropLast(ending.count))
    }
    return nil
  }

  /// Reads A and B of every projection.
  ///
  /// - Parameter values: `layout.bufferCount` elements, laid out as `layout` says.
  package func load(_ layout: LowRankLayout, into values: UnsafeMutableBufferPointer<Float>) throws {
    precondition(values.count == layout.bufferCount, "the buffer must hold \(layout.bufferCount) elements")
    for parameter in layout.parameters {
      let part = UnsafeMutableBufferPointer(rebasing: values[parameter.range])
      var span = part.mutableSpan
      try weights.read(parameter.name, into: &span)
      guard Conversion.firstNonFinite(UnsafeBufferPointer(part)) == nil else {
        throw TregError.badData(at: weights.place, "tensor \(parameter.name) holds numbers that are not finite")
      }
    }
  }
}
