import Foundation
import PreferenceData
import RunFolder
import Testing

@Suite struct PreferenceFileTests {
  static let row = #"{"prompt": "p ", "chosen": "yes", "rejected": "no"}"#

  @Test func readsLinesCompressedLinesAndLists() throws {
    let folder = try TemporaryFolder()
    let plain = try folder.write("a.jsonl", "\u{FEFF}\(Self.row)\r\n\n  \n\(Self.row)")
    let compressed = try folder.writeCompressed("b.jsonl.gz", "\n\(Self.row)\n\(Self.row)\n")
    let list = try folder.write("c.json", "\n[\(Self.row),\n\(Self.row)]\n")
    let read = try PreferenceFile.read([folder.path + "/*.json*"])
    #expect(read.paths == [plain, compressed, list])
    #expect(read.rows.map(\.row) == Array(0..<6))
    #expect(
      read.rows.map(\.place) == [
        "\(plain):1", "\(plain):4", "\(compressed):2", "\(compressed):3", "\(list): row 0 of the list",
        "\(list): row 1 of the list",
      ])
    #expect(read.readCount == 6 && read.skipped.count == 0)
    #expect(
      read.rows.allSatisfy { $0.prompt == .text("p ") && $0.chosen == .text("yes") && $0.rejected == .text("no") })
  }

  @Test func keepsLongRowsWholeAndRefusesOversizeOnes() throws {
    let folder = try TemporaryFolder()
    let long = String(repeating: "äx", count: 300_000)
    let oversize = String(repeating: "y", count: PreferenceFile.rowByteLimit + 1)
    func row(_ text: String) -> String { #"{"prompt": "p", "chosen": ""# + text + #"", "rejected": "no"}"# }
    let path = try folder.write("a.jsonl", [row(long), row(oversize), row("last")].joined(separator: "\n"))
    expectError(.badData, "\(path):2: the row is longer than 16 MiB") { try PreferenceFile.read([path]) }
    let read = try PreferenceFile.read([path], badRows: .skip)
    #expect(read.rows.map(\.chosen) == [.text(long), .text("last")])
    #expect(read.rows.map(\.row) == [0, 2])
    #expect(read.readCount == 3)
    #expect(read.skipped.reasons == ["\(path):2: the row is longer than 16 MiB"])
  }

  @Test func refusesWhatIsNoRow() throws {
    let folder = try TemporaryFolder()
    let cases: [(String, String)] = [
      ("{\"prompt\": \"p\" \"chosen\"}", ":1:16: expected ',' or '}' in an object"),
      ("{\n", ":1:2: expected a key in quotes; expected one whole object on each line"),
      (#""text""#, ":1: expected an object, found a string"),
      (
        #"{"prompt": "p", "response": "x"}"#,
        ":1: row without `chosen`: expected columns prompt, chosen, rejected; found: prompt, response — one answer a row"
          + " in `response`, as for supervised fine-tuning; pairs are trained on: each row needs a better and a worse response"
      ),
      (
        #"{"prompt": "p", "chosen": "x", "rejected": null}"#,
        ":1: row without `rejected`: expected columns prompt, chosen, rejected; found: prompt, chosen, rejected"
      ),
      (#"{"prompt": "p", "chosen": "x", "rejected": "x"}"#, ":1: `chosen` and `rejected` are identical"),
      (#"{"prompt": "p", "chosen": " \n", "rejected": "x"}"#, ":1: the response in `chosen` is empty"),
      (
        #"{"prompt": 3, "chosen": "y", "rejected": "x"}"#,
        ":1: `prompt`: expected a string or a list of messages, found a number"
      ),
      (
        #"{"prompt": "p", "chosen": "y", "rejected": [{"role": "assistant", "content": "x"}]}"#,
        ":1: columns of mixed kinds: `prompt` is a string, `chosen` is a string, `rejected` is a list"
      ),
      (
        #"{"chosen": "y", "rejected": "x"}"#,
        ":1: row without `prompt`: expected it, or `chosen` and `rejected` as lists of messages or as"
          + " \"Human: … Assistant: …\" text"
      ),
      (
        #"{"prompt": [], "chosen": [{"by": "gpt", "value": "x"}], "rejected": []}"#,
        ":1: `chosen`: a message needs `role` and `content`; found: by, value"
      ),
    ]
    for (text, message) in cases {
      let path = try folder.write("a.jsonl", text)
      expectError(.badData, path + message) { try PreferenceFile.read([path]) }
    }
    let broken = try folder.write("b.jsonl", Array(#"{"prompt": ""#.utf8) + [0xC3, 0x28] + Array(#""}"#.utf8))
    expectError(.badData, "\(broken):1:13: the text is not UTF-8") { try PreferenceFile.read([broken]) }
    let nested = try folder.write("c.jsonl", String(repeating: "{\"a\":", count: 5000))
    #expect(throws: TregError.self) { try PreferenceFile.read([nested]) }
  }

  @Test func namesFilesThatCannotBeRead() throws {
    let folder = try TemporaryFolder()
    expectError(.inputMissing, "\(folder.path)/none.jsonl: no such file or folder") {
      try PreferenceFile.read([folder.path + "/none.jsonl"])
    }
    expectError(.inputMissing, "\(folder.path)/*.jsonl: no file matches") {
      try PreferenceFile.read([folder.path + "/*.jsonl"])
    }
    expectError(
      .badData, "\(folder.path): no data files in this folder (.jsonl, .json, plain, .gz or .zst, or .parquet)"
    ) { try PreferenceFile.read([folder.path]) }
    let empty = try folder.write("empty.jsonl", "\n\n")
    expectError(.badData, "\(empty): the file has no rows") { try PreferenceFile.read([empty]) }
  }

  @Test func refusesDamagedCompression() throws {
    let folder = try TemporaryFolder()
    let rows = (0..<200).map { #"{"prompt": "\#($0)", "chosen": "\#($0 &* 7919)", "rejected": "no"}"# }
    let whole = try folder.writeCompressed("whole.gz", rows.joined(separator: "\n"))
    #expect(try PreferenceFile.read([whole]).rows.count == 200)
    let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: whole)))
    for count in [bytes.count / 2, bytes.count - 3, 15] {
      let path = try folder.write("cut.gz", bytes.prefix(count))
      #expect {
        _ = try PreferenceFile.read([path], badRows: .skip)
      } throws: { error in
        guard let error = error as? TregError else { return false }
        return error.exitCode == .badData && error.message.hasPrefix("the compressed file is cut off after line")
      }
    }
    var damaged = bytes
    damaged[bytes.count - 6] ^= 0xFF
    let path = try folder.write("damaged.gz", damaged)
    #expect {
      _ = try PreferenceFile.read([path], badRows: .skip)
    } throws: { error in
      guard let error = error as? TregError else { return false }
      return error.exitCode == .badData && error.message.hasPrefix("the compressed file is damaged after line")
    }
  }

  @Test func surviveAnyDamage() throws {
    let folder = try TemporaryFolder()
    let text =
      #"{"prompt": [{"role": "user", "content": "hé"}], "chosen": [{"role": "assistant", "content": "a\n"}], "rejected": []}"#
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<500 {
      var bytes = Array(text.utf8)
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      let path = try folder.write("a.jsonl", bytes)
      #expect(throws: TregError.self) { _ = try PreferenceFile.read([path]) }
    }
  }
}
