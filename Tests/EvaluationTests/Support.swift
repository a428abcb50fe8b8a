import Configuration
import Foundation
import RunFolder

/// A folder with the tiny golden model, which has tokenizer and template, and a file of pairs; gone with the value.
final class Bench {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appending(path: "treg-\(UUID().uuidString)").path
    let golden = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../ModelFilesTests/Golden/tiny").standardizedFileURL.path
    try FileSystem.createFolder(model)
    for name in try FileSystem.contents(ofFolder: golden) {
      try AtomicFile.write(FileSystem.readBytes(FileSystem.join(golden, name)), to: FileSystem.join(model, name))
    }
    try AtomicFile.write(Self.pairs.joined(separator: "\n") + "\n", to: data)
  }

  deinit { try? FileSystem.remove(path) }

  var model: String { FileSystem.join(path, "model") }
  var data: String { FileSystem.join(path, "pairs.jsonl") }
  func file(_ name: String) -> String { FileSystem.join(path, name) }

  private static let pairs = [
    ("Name a colour.", "Red is one.", "I know many words 42."), ("Say 7 in letters.", "seven", "7"),
    ("Smile.", "Here you are: 🙂", "No."),
  ].map { prompt, chosen, rejected in
    #"{"prompt": [{"role": "user", "content": "\#(prompt)"}], "chosen": [{"role": "assistant", "content": "\#(chosen)"}], "#
      + #""rejected": [{"role": "assistant", "content": "\#(rejected)"}]}"#
  }

  func configuration(_ flags: String...) throws -> RunConfiguration {
    try RunConfiguration.parse(
      file: nil, flags: ["--model", model, "--data", data, "--max-length", "100", "--threads", "1"] + flags,
      requiring: ["model", "data"]
    ).configuration
  }
}

/// The error that `body` throws, when it is one for users.
func userError(_ body: () throws -> Void) -> TregError? {
  do {
    try body()
    return nil
  } catch {
    return error as? TregError
  }
}
