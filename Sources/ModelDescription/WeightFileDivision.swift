/// Whole tensors dealt to processes that write weights at the same time, and to the files of each.
///
/// Files hold whole tensors, so a process writes files of its own from one end to the other: nothing is shared but the folder,
/// every file's hash is known when it is written, and the folder opens anywhere. The price is that one large embedding weighs
/// on one process.
package enum WeightFileDivision {
  /// Bytes that are worth a further process, and a further file.
  package static let smallestPart = 16 << 20

  /// - Parameters:
  ///   - writers: processes that write; those that nothing is left for get no file.
  ///   - elementBytes: of a number in the files.
  ///   - fileBytes: tensors beyond this size begin another file; a larger tensor has a file of its own.
  /// - Returns: for each writer its files, each with its tensors by name. One writer's files, put together, are in the
  ///   order of names, too.
  package static func files(
    of parameters: [Parameter], writers: Int, elementBytes: Int = 4, fileBytes: Int = .max
  ) -> [[[Parameter]]] {
    precondition(writers > 0 && fileBytes > 0, "\(writers) writers of files of \(fileBytes) bytes")
    let bytes = elementBytes * parameters.reduce(0) { $0 + $1.count }
    let parts = balanced(parameters, among: max(1, min(writers, bytes / smallestPart)))
    var files = [[[Parameter]]](repeating: [], count: writers)
    for (part, tensors) in parts.enumerated() {
      for (number, file) in cut(tensors, elementBytes: elementBytes, fileBytes: fileBytes).enumerated() {
        files[(part + number * parts.count) % writers].append(file)
      }
    }
    return files
  }

  /// The largest tensors first, each to who has least so far.
  private static func balanced(_ parameters: [Parameter], among count: Int) -> [[Parameter]] {
    if count == 1 { return [parameters] }
    var parts = [[Parameter]](repeating: [], count: count)
    var sizes = [Int](repeating: 0, count: count)
    for parameter in parameters.sorted(by: { ($1.count, $0.name) < ($0.count, $1.name) }) {
      let lightest = sizes.indices.min { (sizes[$0], $0) < (sizes[$1], $1) }!
      parts[lightest].append(parameter)
      sizes[lightest] += parameter.count
    }
    return parts
  }

  /// Tensors by name, cut where a file would pass the limit.
  private static func cut(_ parameters: [Parameter], elementBytes: Int, fileBytes: Int) -> [[Parameter]] {
    var files: [[Parameter]] = [[]]
    var size = 0
    for parameter in parameters.sorted(by: { $0.name < $1.name }) {
      let bytes = parameter.count * elementBytes
      if size + bytes > fileBytes, !files[files.count - 1].isEmpty {
        files.append([])
        size = 0
      }
      files[files.count - 1].append(parameter)
      size += bytes
    }
    return files
  }
}
