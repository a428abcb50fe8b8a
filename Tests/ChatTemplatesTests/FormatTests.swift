import ChatTemplates
import Foundation
import OrderedJSON
import Testing

/// Templates in the formats of models of the hub, written for this project (Golden/templates), over conversations of every
/// kind, beside what transformers renders; Tests/Oracles/template_formats.py makes Golden/formats.json.
struct FormatTests {
  static let templates: [(name: String, source: String)] = {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Golden/templates")
    let names = try! FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".jinja") }
    return names.sorted().map { name in
      let data = try! Data(contentsOf: folder.appendingPathComponent(name))
      return (String(name.dropLast(6)), String(decoding: data, as: UTF8.self))
    }
  }()
  private static let formats = GoldenTests.golden("formats.json")

  /// FNV-1a of 64 bits, which keeps the golden file small.
  static func hash(_ text: String) -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  @Test(arguments: templates.map(\.name))
  func formatRendersAsInTransformers(name: String) throws {
    let source = try #require(Self.templates.first { $0.name == name }).source
    let template = try ChatTemplate(source: source, place: name)
    let expected = try #require(Self.formats["outcomes"]?[name]?.array)
    var found = expected.makeIterator()
    var texts = 0
    for conversation in try #require(Self.formats["conversations"]?.array) {
      for prompt in [false, true] {
        var variables = Dictionary(uniqueKeysWithValues: conversation.object!.map { ($0.key, $0.value) })
        let messages = variables.removeValue(forKey: "messages")!.array!
        let outcome: String
        var shown = ""
        do {
          let rendering = try template.rendering(messages: messages, addGenerationPrompt: prompt, variables: variables)
          shown = rendering.text
          let spans = rendering.generated.map { " \($0.lowerBound)-\($0.upperBound)" }.joined()
          outcome = Self.hash(shown) + spans
          texts += 1
        } catch {
          outcome = error.kind == .raised ? "raised: \(error.message)" : "error: \(error.kind)"
        }
        #expect(
          outcome == found.next()?.string,
          "\(JSONValue.array(messages).text()), prompt \(prompt): \(shown.debugDescription)")
      }
    }
    #expect(found.next() == nil)
    #expect(texts > 8)
  }

  /// Renderings per second, printed; `TREG_TEMPLATE_SPEED=1 scripts/test --filter FormatTests`.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["TREG_TEMPLATE_SPEED"] != nil))
  func speed() throws {
    let conversation = try #require(Self.formats["conversations"]?.array?[3])
    var variables = Dictionary(uniqueKeysWithValues: conversation.object!.map { ($0.key, $0.value) })
    let messages = variables.removeValue(forKey: "messages")!.array!
    for name in ["chatml", "llama-3.1-tools", "qwen-3-thinking", "mixtral", "smollm-3"] {
      let source = try #require(Self.templates.first { $0.name == name }).source
      let template = try ChatTemplate(source: source, place: name)
      let clock = ContinuousClock()
      var count = 0
      let start = clock.now
      while clock.now - start < .seconds(1) {
        for _ in 0..<100
        where (try? template.render(messages: messages, addGenerationPrompt: true, variables: variables)) != nil {
          count += 1
        }
      }
      let seconds = (clock.now - start) / .seconds(1)
      print("\(name): \(Int(Double(count) / seconds)) renderings per second")
    }
  }

  @Test func enoughFormats() { #expect(Self.templates.count >= 35) }
}
