import OrderedJSON
import RunFolder

/// Appends lines to `metrics.jsonl`. Each is in the kernel's hands when ``append(_:)`` returns.
package struct MetricsWriter: ~Copyable {
  private let file: AppendingFile

  /// Opens the file for appending.
  ///
  /// - Parameter resumedStep: the step of the checkpoint that training goes on from: lines of later steps, and a
  ///   line that a killed process left unfinished, are removed, so that no step stands there twice. nil keeps all.
  /// - Throws: ``TregError``: 73, 74 or 77 when the file cannot be written.
  package init(_ path: String, resumedStep: Int? = nil) throws {
    if let resumedStep, FileSystem.kind(of: path) == .file { try Self.cutBack(path, to: resumedStep) }
    file = try AppendingFile(path)
  }

  package func append(_ line: MetricsLine) throws {
    try file.append(line.json.text())
  }

  /// Flushes to the disk, before a checkpoint that relies on the lines.
  package func flush() throws {
    try file.flush()
  }

  private static func cutBack(_ path: String, to step: Int) throws {
    let bytes = try FileSystem.readBytes(path)
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    try AtomicFile.write(to: path) { writer in
      for line in lines {
        guard let value = try? JSONValue(parsing: line), let lineStep = value["step"]?.integer, lineStep <= step
        else { continue }
        try writer.write(Array(line) + [UInt8(ascii: "\n")])
      }
    }
  }
}
