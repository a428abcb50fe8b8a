import Compute
import ModelFiles
import Transformer

/// How the weights that train are kept in a folder: a whole model, or a PEFT adapter.
enum TrainedModelFiles {
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
}
