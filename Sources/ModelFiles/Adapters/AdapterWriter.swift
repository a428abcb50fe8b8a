import Foundation
import ModelDescription
import OrderedJSON
import RunFolder

/// Writes a PEFT adapter folder that `PeftModel.from_pretrained` opens.
package struct AdapterWriter: Sendable {
  private let layout: LowRankLayout
  private let base: String
  private let companions: [ModelSource.CompanionFile]
  private let storesTransposed: Bool
  private let type: StorageType

  /// - Parameter source: the adapted model; its tokenizer and chat template go along.
  package init(_ source: ModelSource, layout: LowRankLayout, type: StorageType = .float32) {
    self.layout = layout
    // Absolute, since the folder may be opened from anywhere.
    base = URL(filePath: source.place).standardizedFileURL.path
    companions = source.companions.filter { $0.name != "generation_config.json" }
    storesTransposed = source.model.naming == .gpt2
    self.type = type
  }

  /// - Parameter values: `layout.bufferCount` elements, laid out as the layout says.
  /// - Throws: ``TregError``: 79 naming a tensor that is not finite; 73, 74 or 77 when the folder cannot be written.
  package func write(to folder: String, values: UnsafeBufferPointer<Float>) throws {
    precondition(values.count == layout.bufferCount, "the buffer must hold \(layout.bufferCount) elements")
    try FileSystem.createFolder(folder)
    try SafetensorsWriter.write(
      layout.parameters.sorted { $0.name < $1.name }, as: type,
      to: FileSystem.join(folder, AdapterFolder.weightsName)
    ) { parameter, body in
      try body(UnsafeBufferPointer(rebasing: values[parameter.range]))
    }
    for file in companions { try AtomicFile.write(file.bytes, to: FileSystem.join(folder, file.name)) }
    // Last: a folder with this file is complete.
    try AtomicFile.write(
      configuration.text(.indented(2)) + "\n", to: FileSystem.join(folder, AdapterFolder.configurationName))
  }

  private var configuration: JSONValue {
    let description = layout.description
    let names = Set(layout.projections.map { String($0.module.split(separator: ".").last!) }).sorted()
    return [
      "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": .string(base),
      "r": .integer(description.rank), "lora_alpha": .number(description.alpha), "lora_dropout": 0.0,
      "target_modules": .array(names.map { .string($0) }), "use_rslora": .bool(description.usesRootScaling),
      "use_dora": false, "bias": "none", "fan_in_fan_out": .bool(storesTransposed), "modules_to_save": .null,
      "rank_pattern": [:], "alpha_pattern": [:], "init_lora_weights": true, "inference_mode": true,
    ]
  }
}
