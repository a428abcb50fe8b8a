import OrderedJSON
import RunFolder

/// The weights of a Hugging Face folder: `model.safetensors`, or several files listed in `model.safetensors.index.json`.
package final class SafetensorsFolder: WeightSource {
  package let place: String
  package let names: [String]
  private let shards: [SafetensorsFile]
  private let shardOfName: [String: Int]

  static let singleName = "model.safetensors"
  static let indexName = "model.safetensors.index.json"

  /// - Throws: ``TregError``: 66 when weights or a listed file are missing, 65 when a file or the index is broken.
  package init(_ folder: String) throws {
    place = folder
    let single = FileSystem.join(folder, Self.singleName)
    let index = FileSystem.join(folder, Self.indexName)
    // A folder that has both was saved twice; transformers takes the single file then.
    if FileSystem.kind(of: single) != nil {
      let file = try SafetensorsFile(single)
      shards = [file]
      names = file.names
      shardOfName = Dictionary(uniqueKeysWithValues: file.names.map { ($0, 0) })
      return
    }
    guard FileSystem.kind(of: index) != nil else { throw Self.nothingFound(in: folder) }
    let (fileNames, assignment) = try Self.read(index: index)
    shards = try fileNames.map { name in
      let path = FileSystem.join(folder, name)
      guard FileSystem.kind(of: path) != nil else {
        throw TregError.missing(at: path, "no such file, but \(Self.indexName) lists it")
      }
      return try SafetensorsFile(path)
    }
    for (name, shard) in assignment where shards[shard].shape(of: name) == nil {
      throw TregError.badData(at: index, "tensor \(name) is listed in \(fileNames[shard]), which does not hold it")
    }
    shardOfName = assignment
    names = assignment.keys.sorted()
  }

  package var files: [String] { shards.flatMap(\.files) }

  package func shape(of name: String) -> [Int]? { shardOfName[name].flatMap { shards[$0].shape(of: name) } }

  package func storedType(of name: String) -> String? { shardOfName[name].flatMap { shards[$0].storedType(of: name) } }

  package func requireReadable(_ name: String) throws {
    guard let shard = shardOfName[name] else { preconditionFailure("no tensor named \(name)") }
    try shards[shard].requireReadable(name)
  }

  package func read(_ name: String, into values: inout MutableSpan<Float>) throws {
    guard let shard = shardOfName[name] else { preconditionFailure("no tensor named \(name)") }
    try shards[shard].read(name, into: &values)
  }

  package func readPieces(_ name: String, _ body: (_ first: Int, UnsafeBufferPointer<Float>) throws -> Void) throws {
    guard let shard = shardOfName[name] else { preconditionFailure("no tensor named \(name)") }
    try shards[shard].readPieces(name, body)
  }

  /// The files an index lists, sorted, and for each tensor which of them holds it.
  private static func read(index path: String) throws -> ([String], [String: Int]) {
    let index = try JSONFile.read(path)
    guard let map = index["weight_map"]?.object, !map.isEmpty else {
      throw TregError.badData(at: path, "weight_map must be an object that names a file for each tensor")
    }
    for (name, value) in map {
      // A name with a separator could reach outside the folder.
      guard let file = value.string, !file.isEmpty, !file.contains("/"), !file.contains("\0") else {
        throw TregError.badData(at: path, "weight_map: tensor \(name) must name a file of this folder")
      }
    }
    let fileNames = Set(map.values.compactMap(\.string)).sorted()
    let positions = Dictionary(uniqueKeysWithValues: fileNames.enumerated().map { ($1, $0) })
    var assignment: [String: Int] = [:]
    for (name, value) in map {
      // Names that differ only in how an accented letter is spelled are one name from here on.
      guard assignment.updateValue(positions[value.string!]!, forKey: name) == nil else {
        throw TregError.badData(at: path, "weight_map: tensor \(name) stands twice")
      }
    }
    return (fileNames, assignment)
  }

  private static func nothingFound(in folder: String) -> TregError {
    let others = ((try? FileSystem.contents(ofFolder: folder)) ?? []).filter {
      $0.hasSuffix(".bin") || $0.hasSuffix(".pt") || $0.hasSuffix(".pth") || $0.hasSuffix(".gguf")
        || $0.hasSuffix(".safetensors")
    }
    let hint = others.first.map { "; \($0) is there, which is not read from a folder" } ?? ""
    return .missing(at: folder, "holds neither \(singleName) nor \(indexName)\(hint)")
  }
}
