import Foundation
import FuzzSupport
import PreferenceData
import RunFolder
import Testing

@Suite struct RowFuzzTests {
  private static let texts = [
    #"{"prompt": "The sky is", "chosen": " blue.", "rejected": " green."}"#,
    #"{"prompt": [{"role": "user", "content": "hé 🙂"}], "chosen": [{"role": "assistant", "content": "a\n"}], "rejected": [{"role": "assistant", "content": "b\ud83d\ude00"}], "tools": "[{\"name\": \"f\"}]"}"#,
    #"{"system": "S", "conversations": [{"from": "human", "value": "q"}], "chosen": {"from": "gpt", "value": "a"}, "rejected": {"from": "gpt", "value": "b"}}"#,
    #"{"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"}"#,
    #"{"instruction": "Add", "input": "1 2", "chosen": "3", "rejected": "4", "score": 1e3}"#,
    #"{"completion": "x", "label": true}"#,
  ]

  /// Files of every kind of compression with damage anywhere: each gives rows or one clear line.
  @Test func damagedFilesAreRefused() throws {
    let folder = try TemporaryFolder()
    let lines = Self.texts.joined(separator: "\n")
    let files = [
      try folder.write("a", lines), try folder.write("b", "[" + Self.texts.joined(separator: ",\n") + "]"),
      try folder.writeCompressed("c", lines), try folder.writeZstandard("d", lines),
    ]
    let corpus = try files.map { try FileSystem.readBytes($0) }
    let tokenizer = PairTokenizer(
      encode: { CharacterTokenizer().encode($0, $1) },
      renderWithVariables: { messages, generates, _ in renderMarked(messages, generation: generates) }, endTokens: [3],
      endText: "<end>", limits: try LengthLimits(maxLength: 400, maxPromptLength: 100))
    let path = folder.path + "/fuzz"
    let tokens = [
      "\"role\"", "\"content\"", "\"chosen\"", "\"rejected\"", "null", "[[", "{}", "\\ud800", "\n", "]", ",",
      "\n\nHuman:", "\u{1F}\u{8B}",
    ].map { Array($0.utf8) }
    let report = try Fuzz.run("rows", corpus: corpus, tokens: tokens, front: 512) { bytes in
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      do {
        try PreferenceFile.forEachRow(in: [path]) { row in
          do {
            let pair = try tokenizer.tokenize(row.get())
            #expect(pair.prompt.count + max(pair.chosen.tokens.count, pair.rejected.tokens.count) <= 400)
          } catch let error as TregError {
            guard error.exitCode == .badData else { throw error }
          }
          return true
        }
        return true
      } catch let error as TregError {
        guard error.exitCode == .badData, !error.description.contains("\n") else { throw error }
        return false
      }
    }
    #expect(report.sawBoth)
  }
}
