import Foundation
import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder

/// Golden files; Tests/Oracles/weights_golden.py makes them.
let golden = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden").path

/// A new folder that is removed with everything in it.
final class Scratch {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appending(path: "treg-\(UUID().uuidString)").path
    try FileSystem.createFolder(path)
  }

  deinit { try? FileSystem.remove(path) }

  func file(_ name: String) -> String { FileSystem.join(path, name) }

  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    try FileSystem.createFolder(FileSystem.parent(of: file(name)))
    try AtomicFile.write(bytes, to: file(name))
    return file(name)
  }

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

  /// Writes without flushing to the disk, for thousands of files.
  func overwrite(_ name: String, _ bytes: [UInt8]) throws -> String {
    // Some file systems flush a file that is cut and written again, but not a new one.
    try FileSystem.remove(file(name))
    try Data(bytes).write(to: URL(filePath: file(name)))
    return file(name)
  }

  /// A copy of the tiny golden model's folder, to be damaged.
  func copyOfTinyModel() throws -> String {
    let source = FileSystem.join(golden, "tiny")
    for name in try FileSystem.contents(ofFolder: source) {
      try write("model/\(name)", FileSystem.readBytes(FileSystem.join(source, name)))
    }
    return file("model")
  }
}

/// The bytes of a safetensors file with the given header and data.
func safetensors(_ header: String, _ data: [UInt8], length: UInt64? = nil) -> [UInt8] {
  let bytes = Array(header.utf8)
  return withUnsafeBytes(of: (length ?? UInt64(bytes.count)).littleEndian) { Array($0) } + bytes + data
}

func bytes(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

/// The error that `body` throws, when it is one for users.
func userError(_ body: () throws -> Void) -> TregError? {
  do {
    try body()
    return nil
  } catch {
    return error as? TregError
  }
}

/// Every parameter of a model in one array.
func load(_ weights: any WeightSource, _ model: ModelDescription) throws -> [Float] {
  try [Float](unsafeUninitializedCapacity: model.bufferCount) { buffer, count in
    let whole = UnsafeMutableBufferPointer(rebasing: buffer[..<model.bufferCount])
    try weights.load(model, into: whole)
    count = model.bufferCount
  }
}
