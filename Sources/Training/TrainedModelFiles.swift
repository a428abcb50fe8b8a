import Compute
import ModelFiles
import RunFolder
import Transformer

/// How the weights that train are kept in a folder: a whole model, or a PEFT adapter.
enum TrainedModelFiles: Sendable {
  case model(ModelFolderWriter)
  case adapter(AdapterWriter)

  /// - Parameters:
  ///   - type: of the written numbers.
  ///   - shardBytes: weights beyond this size are divided into several files.
  init(_ source: ModelSource, model: Transformer, type: StorageType = .float32, shardBytes: Int) {
    if let adapter = model.adapter {
      self = .adapter(AdapterWriter(source, layout: adapter.layout, type: type))
    } else {
      self = .model(ModelFolderWriter(source, type: type, shardBytes: shardBytes))
    }
  }

  /// - Parameter values: laid out as ``Transformer/trained``.
  func write(_ values: FloatBuffer, to folder: String) throws {
    let values = UnsafeBufferPointer(values.all)
    switch self {
    case .model(let writer): try writer.write(to: folder, parameters: values)
    case .adapter(let writer): try writer.write(to: folder, values: values)
    }
  }

  /// The files of weights that each of so many ranks writes, when they do it together. An adapter is one file.
  func files(writers: Int) -> [[ModelFolderWriter.WeightFile]] {
    switch self {
    case .model(let writer): writer.files(writers: writers)
    case .adapter(let writer):
      [[writer.weightFile]] + [[ModelFolderWriter.WeightFile]](repeating: [], count: writers - 1)
    }
  }

  /// Writes one of ``files(writers:)`` into a folder that is there.
  func write(
    _ file: ModelFolderWriter.WeightFile, to folder: String, tensor: ModelFolderWriter.Tensor
  ) throws -> FileDigest {
    switch self {
    case .model(let writer): try writer.write(file, to: folder, tensor: tensor)
    case .adapter(let writer): try writer.writeWeights(to: folder, tensor: tensor)
    }
  }

  /// Writes what goes with all those files; the names of what was written, and what it holds.
  func writeTexts(
    beside files: [ModelFolderWriter.WeightFile], to folder: String
  ) throws -> [(name: String, digest: FileDigest)] {
    switch self {
    case .model(let writer): try writer.writeTexts(beside: files, to: folder)
    case .adapter(let writer): try writer.writeTexts(to: folder)
    }
  }

  /// Reads what ``write(_:to:)`` wrote.
  ///
  /// - Throws: 65 when the folder holds something else, or is damaged.
  static func read(
    _ folder: String, of model: Transformer, into values: UnsafeMutableBufferPointer<Float>
  ) throws {
    if let adapter = model.adapter {
      try AdapterFolder(folder).load(adapter.layout, into: values)
    } else {
      try ModelSource.open(folder).weights.load(model.description, into: values)
    }
  }

  /// Refuses a folder whose weights do not fit its own description; the numbers are not read.
  static func check(_ folder: String) throws {
    if AdapterFolder.isAdapter(folder) {
      _ = try AdapterFolder(folder)
    } else {
      _ = try ModelSource.open(folder)
    }
  }
}
