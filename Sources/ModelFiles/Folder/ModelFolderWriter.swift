import ModelDescription
import OrderedJSON
import RunFolder

/// Writes a Hugging Face folder that opens in transformers: weights, tokenizer, chat template, configuration.
///
/// Every file is whole or absent. Weights come first and config.json last, so that a folder with a config.json is complete;
/// what an earlier save left that the new one does not replace is removed before it: weights, texts of another tokenizer, and an
/// adapter, which transformers would load onto the new model.
package struct ModelFolderWriter {
  /// What was written.
  package struct Summary: Sendable {
    package let folder: String
    package let parameterCount: Int
    package let type: StorageType
    package let weightFiles: [String]
    package let weightBytes: Int
  }

  private let configuration: JSONValue
  private let model: ModelDescription
  private let companions: [ModelSource.CompanionFile]
  private let type: StorageType
  private let shardBytes: Int

  /// - Parameters:
  ///   - source: the model whose configuration and companion files are kept.
  ///   - shardBytes: weights beyond this size are divided into several files.
  package init(_ source: ModelSource, type: StorageType = .float32, shardBytes: Int = 5_000_000_000) {
    precondition(shardBytes > 0, "a shard has a size")
    configuration = source.configuration
    model = source.model
    companions = source.companions
    self.type = type
    self.shardBytes = shardBytes
  }

  /// Writes the folder from the flat parameter buffer.
  ///
  /// - Parameter parameters: `model.bufferCount` elements.
  /// - Throws: ``TregError``: 79 naming a tensor that is not finite, 65 one that does not fit the type; 73, 74 or 77
  ///   when the folder cannot be written.
  @discardableResult
  package func write(to folder: String, parameters: UnsafeBufferPointer<Float>) throws -> Summary {
    precondition(parameters.count == model.bufferCount, "the buffer must hold \(model.bufferCount) elements")
    return try write(to: folder) { parameter, body in
      try body(UnsafeBufferPointer(rebasing: parameters[parameter.range]))
    }
  }

  /// Writes the folder tensor by tensor; `tensor` calls its second argument once with the values of the first.
  func write(
    to folder: String, tensor: (Parameter, (UnsafeBufferPointer<Float>) throws -> Void) throws -> Void
  ) throws -> Summary {
    try FileSystem.createFolder(folder)
    let shards = divided()
    let names = shards.indices.map { index in
      shards.count == 1
        ? SafetensorsFolder.singleName
        : "model-\(FileNumber.text(index + 1, of: shards.count)).safetensors"
    }
    for (shard, name) in zip(shards, names) {
      try SafetensorsWriter.write(shard, as: type, to: FileSystem.join(folder, name), tensor: tensor)
    }
    if shards.count > 1 { try writeIndex(shards, names, to: folder) }
    try removeStale(from: folder, keeping: Set(names + companions.map(\.name)), indexed: shards.count > 1)
    for file in companions { try AtomicFile.write(file.bytes, to: FileSystem.join(folder, file.name)) }
    try AtomicFile.write(
      writtenConfiguration().text(.indented(2)) + "\n", to: FileSystem.join(folder, "config.json"))
    return Summary(
      folder: folder, parameterCount: model.parameterCount, type: type, weightFiles: names,
      weightBytes: model.parameterCount * type.byteCount)
  }

  /// The original configuration, every key kept, with the type of the written weights under the key that it uses.
  private func writtenConfiguration() -> JSONValue {
    guard case .object(var members) = configuration else { return configuration }
    let keys = ["dtype", "torch_dtype"].filter { members[$0] != nil }
    for key in keys.isEmpty ? ["torch_dtype"] : keys { members[key] = .string(type.rawValue) }
    return .object(members)
  }

  /// Tensors by name, cut where a file would pass the limit. A tensor larger than the limit has a file of its own.
  private func divided() -> [[Parameter]] {
    var shards: [[Parameter]] = [[]]
    var size = 0
    for parameter in model.parameters.sorted(by: { $0.name < $1.name }) {
      let bytes = parameter.count * type.byteCount
      if size + bytes > shardBytes, !shards[shards.count - 1].isEmpty {
        shards.append([])
        size = 0
      }
      shards[shards.count - 1].append(parameter)
      size += bytes
    }
    return shards
  }

  private func writeIndex(_ shards: [[Parameter]], _ names: [String], to folder: String) throws {
    var map: JSONObject = [:]
    for (shard, name) in zip(shards, names) {
      for parameter in shard { map[parameter.name] = .string(name) }
    }
    let index: JSONValue = [
      "metadata": ["total_size": .integer(model.parameterCount * type.byteCount)], "weight_map": .object(map),
    ]
    try AtomicFile.write(index.text(.indented(2)) + "\n", to: FileSystem.join(folder, SafetensorsFolder.indexName))
  }

  private func removeStale(from folder: String, keeping names: Set<String>, indexed: Bool) throws {
    let others = ModelSource.companionNames + [AdapterFolder.configurationName, AdapterFolder.weightsName]
    for name in try FileSystem.contents(ofFolder: folder) where !names.contains(name) {
      let isShard = name.hasPrefix("model-") && name.contains("-of-") && name.hasSuffix(".safetensors")
      if isShard || name == SafetensorsFolder.singleName || (name == SafetensorsFolder.indexName && !indexed)
        || others.contains(name)
      {
        try FileSystem.remove(FileSystem.join(folder, name))
      }
    }
  }
}

extension ModelFolderWriter.Summary: CustomStringConvertible {
  /// One line for people.
  package var description: String {
    let files = weightFiles.count == 1 ? weightFiles[0] : "\(weightFiles.count) files"
    return "\(parameterCount) parameters as \(type.rawValue) in \(files), \(MemoryFormula.readable(weightBytes))"
  }
}
