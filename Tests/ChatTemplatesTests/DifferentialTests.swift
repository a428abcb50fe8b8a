import ChatTemplates
import Foundation
import OrderedJSON
import Testing

/// Outcomes beside those that Tests/Oracles/template_differential.py has from jinja2.
///
///     python Tests/Oracles/template_differential.py --seed 1 --count 20000 cases.jsonl
///     TREG_TEMPLATE_CASES=cases.jsonl scripts/test --filter DifferentialTests
///
/// `make test` compares the few hundred of Golden/differential.jsonl.
struct DifferentialTests {
  struct Cases {
    var contexts: [JSONValue] = []
    var cases: [JSONValue] = []

    init(_ path: String) throws {
      for line in try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: UInt8(ascii: "\n")) {
        let document = try JSONValue(parsing: line)
        if document["template"] == nil { contexts.append(document) } else { cases.append(document) }
      }
    }
  }

  /// What a template does: its text, or the kind of its error.
  static func outcome(_ source: String, _ context: JSONValue) -> String {
    var variables = Dictionary(uniqueKeysWithValues: context.object!.map { ($0.key, $0.value) })
    let messages = variables.removeValue(forKey: "messages")!.array!
    do {
      let template = try ChatTemplate(parsing: source, place: "case")
      return try "text: "
        + template.rendering(messages: messages, addGenerationPrompt: true, variables: variables).text
    } catch {
      return error.kind == .raised ? "raised: \(error.message)" : "error: \(error.kind)"
    }
  }

  @Test func outcomesAreThoseOfJinja() throws {
    let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Golden/differential.jsonl").path
    let path = ProcessInfo.processInfo.environment["TREG_TEMPLATE_CASES"] ?? golden
    let cases = try Cases(path)
    var different = 0
    var counts: [String: Int] = [:]
    for item in cases.cases {
      let context = cases.contexts[item["context"]!.integer!]
      let expected = item["outcome"]!.string!
      let found = Self.outcome(item["template"]!.string!, context)
      counts[expected.prefix { $0 != ":" } == "text" ? "text" : String(expected.prefix(20)), default: 0] += 1
      guard Array(found.utf8) != Array(expected.utf8) else { continue }
      different += 1
      if different <= 400 {
        print(
          "DIFFERENT",
          JSONValue.object([
            "template": item["template"]!, "expected": .string(expected), "found": .string(found),
            "note": item["note"] ?? .null,
          ]).text())
      }
    }
    print(
      "\(cases.cases.count) cases, \(different) different; "
        + counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
    #expect(cases.cases.count > 100)
    #expect(different == 0, "\(different) of \(cases.cases.count) cases")
  }
}
