import Foundation
import FuzzSupport
import OrderedJSON
import RunFolder
import Testing
import Tokenization

/// Damaged tokenizer files: refused with one line, or read and used without harm.
@Suite struct FuzzTests {
  static let names = ["llama2", "gemma3", "unigram_bytes", "llama3", "contiguous", "first_after_strip", "scripts"]

  /// The golden files with vocabularies cut down, so that damage hits the parts that differ.
  static func corpus() throws -> [[UInt8]] {
    try names.map { name in
      guard case .object(var file) = try Golden.json("\(name).tokenizer.json"),
        case .object(var model)? = file["model"]
      else { throw TregError.badData(at: name, "the golden file has no model") }
      if case .array(let merges)? = model["merges"] { model["merges"] = .array(Array(merges.prefix(0))) }
      switch model["vocab"] {
      case .object(let tokens)?:
        var kept: JSONObject = [:]
        for (text, id) in tokens where text.utf8.count < 3 || text.utf8.first == UInt8(ascii: "<") { kept[text] = id }
        model["vocab"] = .object(kept)
      default: break
      }
      file["model"] = .object(model)
      return Array(JSONValue.object(file).text().utf8)
    }
  }

  static let tokens: [String] = [
    "\"NFC\"", "\"NFKD\"", "\"Lowercase\"", "\"Strip\"", "\"Replace\"", "\"Prepend\"", "\"Precompiled\"",
    "\"Sequence\"",
    "\"ByteLevel\"", "\"Metaspace\"", "\"Split\"", "\"Digits\"", "\"Punctuation\"", "\"Whitespace\"",
    "\"UnicodeScripts\"",
    "\"Removed\"", "\"MergedWithNext\"", "\"Contiguous\"", "{\"Regex\": \"(a+)+b\"}", "{\"Regex\": \"^|$\"}",
    "{\"String\": \"\"}", "\"first\"", "\"never\"", "true", "false", "null", "-1", "9223372036854775807", "1e308", "[]",
    "{}", "\"\"", "\"\u{2581}\"", "\"BPE\"", "\"Unigram\"", "\"byte_fallback\"", "\"type\"",
  ]

  @Test func damagedFilesDoNoHarm() throws {
    let texts = [
      "Two words,  12 <s> caf\u{E9} e\u{301} \u{1F468}\u{200D}\u{1F680} \u{5E9}\u{5DC}\u{5D5}\u{5DD}\n\n\u{4E00}\u{10FFFF}",
      String(repeating: "aab ", count: 20), "",
    ]
    let report = try Fuzz.run(
      "tokenizer", corpus: Self.corpus(), tokens: Self.tokens.map { Array($0.utf8) }, front: 4096
    ) { bytes in
      do {
        let tokenizer = try Tokenizer(tokenizerJSON: JSONValue(parsing: bytes), place: "tokenizer.json")
        for text in texts {
          let ids = try tokenizer.encode(text, addingSpecialTokens: true)
          for id in ids where tokenizer.bytes(of: id) == nil { throw Finding("the id \(id) is no token") }
          _ = tokenizer.decode(ids, skippingSpecialTokens: true)
        }
        return true
      } catch is JSONError {
        return false
      } catch let error as TregError {
        if error.message.isEmpty || error.message.contains("\n") { throw Finding("not one line: \(error.message)") }
        return false
      }
    }
    #expect(report.sawBoth)
  }

  struct Finding: Error {
    let text: String
    init(_ text: String) { self.text = text }
  }
}
