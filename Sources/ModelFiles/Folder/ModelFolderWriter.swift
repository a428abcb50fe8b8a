import ModelDescription
import OrderedJSON
import RunFolder

/// Writes a Hugging Face folder that opens in transformers: weights, tokenizer, chat template, configuration.
///
/// Every file is whole or absent. Weights come first and config.json last, so that a folder with a config.json is complete;
/// what an earlier save left that the new one does not replace is removed before it: weights, texts of another tokenizer, and an
/// adapter, which transformers would load onto the new model.
package struct ModelFolderWriter: Sendable {
  /// A file of weights, and the tensors that it holds.
  package struct WeightFile: Sendable {
    package let name: String
    package let parameters: [Parameter]
  }

  /// Calls its second argument once with the values of the first.
  package typealias Tensor = (Parameter, (UnsafeBufferPointer<Float>) throws -> Void) throws -> Void

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

  /// Writes the folder tensor by tensor.
  func write(to folder: String, tensor: Tensor) throws -> Summary {
    try FileSystem.createFolder(folder)
    let files = files(writers: 1)[0]
    for file in files { try write(file, to: folder, tensor: tensor) }
    let names = files.map(\.name)
    try removeStale(from: folder, keeping: Set(names + companions.map(\.name)), indexed: files.count > 1)
    try writeTexts(beside: files, to: folder)
    return Summary(
      folder: folder, parameterCount: model.parameterCount, type: type, weightFiles: names,
      weightBytes: model.parameterCount * type.byteCount)
  }

  /// The files of weights that each of so many processes writes, when they do it together.
  package func files(writers: Int) -> [[WeightFile]] {
    let divided = WeightFileDivision.files(
      of: model.parameters, writers: writers, elementBytes: type.byteCount, fileBytes: shardBytes)
    let count = divided.reduce(0) { $0 + $1.count }
    var number = 0
    return divided.map { files in
      files.map { parameters in
        number += 1
        let name =
          count == 1 ? SafetensorsFolder.singleName : "model-\(FileNumber.text(number, of: count)).safetensors"
        return WeightFile(name: name, parameters: parameters)
      }
    }
  }

  /// Writes one file of weights into a folder that is there.
  @discardableResult
  package func write(_ file: WeightFile, to folder: String, tensor: Tensor) throws -> FileDigest {
    try SafetensorsWriter.write(file.parameters, as: type, to: FileSystem.join(folder, file.name), tensor: tensor)
  }

  /// Writes all that goes with files of weights: their index where there are several, tokenizer, template, configuration.
  ///
  /// - Returns: the names of the files, and what they hold.
  @discardableResult
  package func writeTexts(
    beside files: [WeightFile], to folder: String
  ) throws -> [(name: String, digest: FileDigest)] {
    var texts: [(name: String, bytes: [UInt8])] = companions.map { ($0.name, $0.bytes) }
    if files.count > 1 { texts.insert((SafetensorsFolder.indexName, Array(index(of: files).utf8)), at: 0) }
    // Last: a folder with this file is complete.
    texts.append(("config.json", Array((writtenConfiguration().text(.indented(2)) + "\n").utf8)))
    return try texts.map { ($0.name, try AtomicFile.write($0.bytes, to: FileSystem.join(folder, $0.name))) }
  }

  /// The original configuration, every key kept, with the type of the written weights under the key that it uses.
  private func writtenConfiguration() -> JSONValue {
    guard case .object(var members) = configuration else { return configuration }
    let keys = ["dtype", "torch_dtype"].filter { members[$0] != nil }
    for key in keys.isEmpty ? ["torch_dtype"] : keys { members[key] = .string(type.rawValue) }
    return .object(members)
  }

  private func index(of files: [WeightFile]) -> String {
    var map: JSONObject = [:]
    for file in files {
      for parameter in file.parameters { map[parameter.name] = .string(file.name) }
    }
    let index: JSONValue = [
      "metadata": ["total_size": .integer(model.parameterCount * type.byteCount)], "weight_map": .object(map),
    ]
    return index.text(.indented(2)) + "\n"
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
