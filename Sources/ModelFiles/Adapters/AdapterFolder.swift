import ModelDescription
import OrderedJSON
import RunFolder

/// A PEFT adapter as it lies on disk: `adapter_config.json` and `adapter_model.safetensors`.
///
/// Low-rank adapters of linear layers are read, without dropout, biases or other trained modules. Format: PEFT's
/// `LoraConfig` and `save_pretrained`.
package struct AdapterFolder: Sendable {
  package static let configurationName = "adapter_config.json"
  package static let weightsName = "adapter_model.safetensors"

  package let path: String
  package let description: LowRank
  /// The model that was adapted, as the file names it.
  package let base: String
  package let weights: SafetensorsFile

  /// Whether a folder holds an adapter rather than a model.
  package static func isAdapter(_ folder: String) -> Bool {
    func has(_ name: String) -> Bool { FileSystem.kind(of: FileSystem.join(folder, name)) != nil }
    return has(configurationName) && !has("config.json")
  }

  /// - Throws: ``TregError`` 65 naming the key of something that is not read, 66 when the weights are missing.
  package init(_ path: String) throws {
    self.path = path
    let place = FileSystem.join(path, Self.configurationName)
    let configuration = try JSONFile.read(place)
    func failure(_ key: String, _ message: String) -> TregError { .badData(at: place, "\(key) \(message)") }
    guard configuration["peft_type"]?.string == "LORA" else {
      throw failure("peft_type", "must be LORA, found \(configuration["peft_type"]?.text() ?? "nothing")")
    }
    // Values under which an adapter is just W + s·B·A.
    let plain: [(key: String, allowed: [JSONValue])] = [
      ("bias", ["none"]), ("use_dora", [false]), ("modules_to_save", [.array([])]), ("rank_pattern", [.object([:])]),
      ("alpha_pattern", [.object([:])]), ("layers_to_transform", []), ("layer_replication", []),
      ("lora_bias", [false]), ("trainable_token_indices", []), ("target_parameters", [.array([])]),
    ]
    for (key, allowed) in plain {
      guard let value = configuration[key], !value.isNull, !allowed.contains(value) else { continue }
      throw failure(key, "is \(value.text()), which is not supported")
    }
    guard let rank = configuration["r"]?.integer, (1...65_536).contains(rank) else {
      throw failure("r", "must be a rank of at least 1")
    }
    guard let alpha = configuration["lora_alpha"]?.double, alpha.isFinite else {
      throw failure("lora_alpha", "must be a number")
    }
    let targets: [String]
    switch configuration["target_modules"] {
    case .string(let name): targets = [name]
    case .array(let names): targets = names.compactMap(\.string)
    default: targets = []
    }
    guard !targets.isEmpty else { throw failure("target_modules", "must name modules") }
    guard let base = configuration["base_model_name_or_path"]?.string, !base.isEmpty else {
      throw failure("base_model_name_or_path", "is missing: the adapted model cannot be found")
    }
    description = LowRank(
      rank: rank, alpha: alpha, usesRootScaling: configuration["use_rslora"]?.bool ?? false, targets: targets)
    self.base = base
    weights = try SafetensorsFile(FileSystem.join(path, Self.weightsName))
  }

  /// Which of a model's projections are adapted, by the names of the stored tensors.
  ///
  /// - Throws: ``TregError`` 65 when a tensor is missing, is of another shape, or belongs to no projection of the model.
  package func layout(of model: ModelDescription) throws -> LowRankLayout {
    var description = description
    // Names that other programs wrote as patterns; what is stored tells what they meant.
    let modules = Set(weights.names.compactMap(Self.module))
    description.targets = Set(modules.map { String($0.split(separator: ".").last ?? "") }).sorted()
    let layout: LowRankLayout
    do {
      layout = try LowRankLayout(description, of: model)
    } catch let error as TregError {
      throw TregError.badData(at: weights.place, error.message)
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
      throw TregError.badData(at: weights.place, "tensor \(stranger) is no low-rank adapter of this model")
    }
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
