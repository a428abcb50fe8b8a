import ModelDescription
import OrderedJSON
import RunFolder

/// Writes a PEFT adapter folder that `PeftModel.from_pretrained` opens.
package struct AdapterWriter: Sendable {
  private let layout: LowRankLayout
  private let base: String
  private let companions: [ModelSource.CompanionFile]
  private let model: ModelDescription
  private let type: StorageType

  /// - Parameter source: the adapted model; its tokenizer and chat template go along.
  package init(_ source: ModelSource, layout: LowRankLayout, type: StorageType = .float32) {
    self.layout = layout
    base = source.adapter?.baseName ?? source.name
    companions = source.companions.filter { $0.name != "generation_config.json" }
    model = source.model
    self.type = type
  }

  /// - Parameter values: `layout.bufferCount` elements, laid out as the layout says.
  /// - Throws: ``TregError``: 79 naming a tensor that is not finite; 73, 74 or 77 when the folder cannot be written.
  package func write(to folder: String, values: UnsafeBufferPointer<Float>) throws {
    precondition(values.count == layout.bufferCount, "the buffer must hold \(layout.bufferCount) elements")
    try FileSystem.createFolder(folder)
    try writeWeights(to: folder) { parameter, body in
      try body(UnsafeBufferPointer(rebasing: values[parameter.range]))
    }
    try writeTexts(to: folder)
  }

  /// The one file of weights: PEFT opens no other.
  package var weightFile: ModelFolderWriter.WeightFile {
    ModelFolderWriter.WeightFile(
      name: AdapterFolder.weightsName, parameters: layout.parameters.sorted { $0.name < $1.name })
  }

  /// Writes the weights into a folder that is there.
  @discardableResult
  package func writeWeights(to folder: String, tensor: ModelFolderWriter.Tensor) throws -> FileDigest {
    let file = weightFile
    return try SafetensorsWriter.write(
      file.parameters, as: type, to: FileSystem.join(folder, file.name), tensor: tensor)
  }

  /// Writes all that goes with the weights.
  ///
  /// - Returns: the names of the files, and what they hold.
  @discardableResult
  package func writeTexts(to folder: String) throws -> [(name: String, digest: FileDigest)] {
    // The configuration last: a folder with this file is complete.
    let texts =
      companions.map { ($0.name, $0.bytes) }
      + [(AdapterFolder.configurationName, Array((configuration.text(.indented(2)) + "\n").utf8))]
    return try texts.map { ($0.0, try AtomicFile.write($0.1, to: FileSystem.join(folder, $0.0))) }
  }

  private var configuration: JSONValue {
    let (rank, ranks) = Self.common(layout.projections.map { ($0.module, $0.rank) })
    let (alpha, alphas) = Self.common(layout.projections.map { ($0.module, $0.alpha) })
    return [
      "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": .string(base),
      "r": .integer(rank), "lora_alpha": .number(alpha), "lora_dropout": 0.0,
      "target_modules": .array(targets.map { .string($0) }), "use_rslora": .bool(layout.usesRootScaling),
      "use_dora": false, "bias": "none", "fan_in_fan_out": .bool(model.naming == .gpt2), "modules_to_save": .null,
      "rank_pattern": Self.object(ranks) { .integer($0) },
      "alpha_pattern": Self.object(alphas) { .number($0) }, "init_lora_weights": true, "inference_mode": true,
    ]
  }

  /// Last parts of modules' names where they mean just the adapted ones, else whole names.
  private var targets: [String] {
    let adapted = Set(layout.projections.map(\.module))
    let short = Set(adapted.map { String($0.split(separator: ".").last!) }).sorted()
    let meant = LowRankLayout(of: model, usesRootScaling: false) { module in
      short.contains { LowRank.names($0, module) } ? (1, 1) : nil
    }
    return Set(meant.projections.map(\.module)) == adapted ? short : adapted.sorted()
  }

  private static func object<Value>(
    _ values: [(module: String, value: Value)], _ number: (Value) -> JSONValue
  ) -> JSONValue {
    var members: JSONObject = [:]
    for (module, value) in values { members[module] = number(value) }
    return .object(members)
  }

  /// The value that most modules have, and those of the others by name.
  private static func common<Value: Hashable & Comparable>(
    _ values: [(module: String, value: Value)]
  ) -> (common: Value, others: [(module: String, value: Value)]) {
    let counts = Dictionary(grouping: values, by: \.value).mapValues(\.count)
    let common = counts.max { ($0.value, $1.key) < ($1.value, $0.key) }!.key
    let others = values.filter { $0.value != common }.sorted { $0.module < $1.module }
    return (common, others)
  }
}
