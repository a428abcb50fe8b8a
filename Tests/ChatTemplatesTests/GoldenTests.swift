import ChatTemplates
import Foundation
import OrderedJSON
import RunFolder
import Testing

/// Everything that transformers' own environment renders, rendered here; Tests/Oracles/template_golden.py makes the files.
struct GoldenTests {
  static func golden(_ name: String) -> JSONValue {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")
    let data = try! Data(contentsOf: folder.appendingPathComponent(name))
    return try! JSONValue(parsing: data)
  }

  static let features = golden("features.json")
  static let makers = golden("makers.json")
  /// Every template of the golden files.
  static let sources = makers["templates"]!.object!.values.compactMap(\.string) + FormatTests.templates.map(\.source)

  private func check(
    _ source: String, _ expected: JSONValue, messages: [JSONValue], prompt: Bool, variables: [String: JSONValue],
    comment: Comment
  ) throws {
    if let text = expected["text"]?.string {
      let rendered = try ChatTemplate(source: source, place: "golden").render(
        messages: messages, addGenerationPrompt: prompt, variables: variables)
      // Bytes: Swift takes canonically equivalent texts as equal.
      #expect(
        Array(rendered.utf8) == Array(text.utf8),
        "\(comment): \(rendered.debugDescription) is not \(text.debugDescription)")
      return
    }
    let error = try #require(expected["error"]?.string)
    let template: ChatTemplate
    do {
      template = try ChatTemplate(source: source, place: "golden")
    } catch let found as TregError {
      #expect(error == "parse", "\(comment): \(found)")
      #expect(found.exitCode == .badData)
      return
    }
    #expect(error == "run", comment)
    let found = #expect(throws: TregError.self, comment) {
      try template.render(messages: messages, addGenerationPrompt: prompt, variables: variables)
    }
    #expect(found?.exitCode == .badData)
    if let message = expected["message"]?.string { #expect(found?.message == message) }
  }

  @Test(arguments: features["cases"]!.array!)
  func featureRendersAsInTransformers(expected: JSONValue) throws {
    let variables = try #require(Self.features["variables"]?.object)
    let source = try #require(expected["template"]?.string)
    try check(
      source, expected, messages: try #require(Self.features["messages"]?.array), prompt: true,
      variables: Dictionary(uniqueKeysWithValues: variables.map { ($0.key, $0.value) }), comment: "\(source)")
  }

  @Test(arguments: makers["cases"]!.array!)
  func makersFormatRendersAsInTransformers(expected: JSONValue) throws {
    let maker = try #require(expected["maker"]?.string)
    let source = try #require(Self.makers["templates"]?[maker]?.string)
    var variables: [String: JSONValue] = ["bos_token": "<s>", "eos_token": "</s>"]
    var messages: [JSONValue]?
    if let index = expected["conversation"]?.integer {
      messages = Self.makers["conversations"]?.array?[index].array
    } else {
      messages = Self.makers["tool_conversation"]?.array
      variables["tools"] = Self.makers["tools"]
    }
    try check(
      source, expected, messages: try #require(messages),
      prompt: try #require(expected["add_generation_prompt"]?.bool as Bool?), variables: variables,
      comment: "\(maker) on conversation \(expected["conversation"]!.text())")
  }
}
