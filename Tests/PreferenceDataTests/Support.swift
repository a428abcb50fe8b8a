import CZlib
import CZstd
import Foundation
import OrderedJSON
import PreferenceData
import RunFolder
import Testing

/// A folder that lives as long as a test.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appending(path: "treg-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  func write(_ name: String, _ text: String) throws -> String { try write(name, text.utf8) }

  func writeZstandard(_ name: String, _ text: String) throws -> String {
    let bytes = Array(text.utf8)
    var frame = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
    let count = ZSTD_compress(&frame, frame.count, bytes, bytes.count, 3)
    try #require(ZSTD_isError(count) == 0)
    return try write(name, frame.prefix(count))
  }

  func writeCompressed(_ name: String, _ text: String) throws -> String {
    let file = path + "/" + name
    let output = try #require(gzopen(file, "wb"))
    let bytes = Array(text.utf8)
    #expect(gzwrite(output, bytes, UInt32(bytes.count)) == Int32(bytes.count))
    #expect(gzclose(output) == Z_OK)
    return file
  }
}

/// Checks that `body` throws a ``TregError`` with this code and text.
func expectError<Value>(
  _ code: ExitCode, _ description: String, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Value
) {
  #expect(sourceLocation: sourceLocation) {
    _ = try body()
  } throws: { error in
    guard let error = error as? TregError else { return false }
    if error.description != description { Issue.record("found: \(error.description)", sourceLocation: sourceLocation) }
    return error.exitCode == code && error.description == description
  }
}

func user(_ text: String) -> Message { Message(role: "user", content: text) }
func assistant(_ text: String) -> Message { Message(role: "assistant", content: text) }

/// A tokenizer of one token per character, but for marks in angle brackets and the listed merges.
struct CharacterTokenizer: Sendable {
  static let marks = ["<s>", "<start>", "<end>", "<think>"]
  var merges: [String] = []
  var addsBegin = true

  /// Marks are 1, 2 … in their order; merges start at 100, characters at 1000.
  func encode(_ text: String, _ addingSpecialTokens: Bool) -> [Int32] {
    var tokens: [Int32] = addingSpecialTokens && addsBegin ? [1] : []
    var rest = text[...]
    while let first = rest.unicodeScalars.first {
      if let mark = Self.marks.firstIndex(where: rest.hasPrefix) {
        tokens.append(Int32(mark + 1))
        rest = rest.dropFirst(Self.marks[mark].count)
      } else if let merge = merges.firstIndex(where: rest.hasPrefix) {
        tokens.append(Int32(merge + 100))
        rest = rest.dropFirst(merges[merge].count)
      } else {
        tokens.append(Int32(first.value) + 1000)
        rest = rest.dropFirst()
      }
    }
    return tokens
  }

  static func ids(_ text: String) -> [Int32] { CharacterTokenizer(addsBegin: false).encode(text, false) }
}

/// A template like ChatML: `<start>role:content<end>\n`, and `<start>assistant:` as header.
func renderMarked(_ messages: [JSONValue], header: String = "<start>assistant:", generation: Bool) -> String {
  messages.map { "<start>\($0["role"]?.string ?? ""):\($0["content"]?.string ?? "")<end>\n" }.joined()
    + (generation ? header : "")
}

/// All rows of some files.
struct ReadRows {
  var rows: [PreferenceRow] = []
  var readCount = 0
  var skipped = SkippedRows()
  var paths: [String] = []
}

extension PreferenceFile {
  /// - Parameter patterns: as ``DataFiles`` takes them.
  static func read(_ patterns: [String], badRows: BadRows = .error) throws -> ReadRows {
    var read = ReadRows()
    read.paths = try DataFiles().find(patterns)
    read.readCount = try forEachRow(in: read.paths) { row in
      do {
        read.rows.append(try row.get())
      } catch let error as TregError where badRows == .skip {
        read.skipped.add(error)
      }
      return true
    }
    return read
  }
}
