import ModelDescription
import RunFolder

/// Rewrites a model as a Hugging Face folder in a chosen type: `treg convert`.
package enum ModelConverter {
  /// What a conversion did.
  package struct Summary: Sendable {
    package let written: ModelFolderWriter.Summary
    /// Tensors of the source that the model does not use.
    package let unusedTensors: [String]
  }

  /// Converts tensor by tensor; memory is needed for the largest one only.
  ///
  /// - Parameter overwrite: whether a folder that is not empty may be written into.
  /// - Throws: ``TregError``: 65 when the source is broken, 73 when the folder is not empty, holds the model or adapter itself or cannot be
  ///   created, 74 when writing fails.
  package static func convert(
    _ source: ModelSource, to folder: String, type: StorageType = .float32, overwrite: Bool = false,
    shardBytes: Int = 5_000_000_000
  ) throws -> Summary {
    if !overwrite, FileSystem.kind(of: folder) == .folder, try !FileSystem.contents(ofFolder: folder).isEmpty {
      throw TregError.cannotCreate(at: folder, "the folder is not empty; name another, or add --overwrite")
    }
    if let adapter = source.adapter?.folder.path, FileSystem.isSame(adapter, folder) {
      throw TregError.cannotCreate(
        at: folder, "the adapter that is merged lies here, and would go with it; name another folder")
    }
    try source.requireOutside(folder)
    let model = source.model
    let unused = try source.weights.unusedNames(by: model)
    try source.weights.refuseDifferingCopies(in: model)
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: model.parameters.map(\.count).max() ?? 0)
    defer { buffer.deallocate() }
    let written = try ModelFolderWriter(source, type: type, shardBytes: shardBytes).write(to: folder) {
      parameter, body in
      let values = UnsafeMutableBufferPointer(rebasing: buffer[..<parameter.count])
      try source.weights.load(parameter, of: model, into: values)
      try body(UnsafeBufferPointer(values))
    }
    return Summary(written: written, unusedTensors: unused)
  }
}
