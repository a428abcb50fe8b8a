import Foundation
import OrderedJSON
import PreferenceData
import RunFolder
import Scoring
import Testing

/// Prompts are compared as text: the tokenizer of these tests gives every character its code.
@Suite struct ContrastivePrompterTests {
  static func tokenizer(refusingSystem: Bool = false) throws -> PairTokenizer {
    PairTokenizer(
      encode: { text, _ in text.unicodeScalars.map { Int32($0.value) } },
      render: { messages, generates in
        if refusingSystem, messages.contains(where: { $0["role"] == "system" }) {
          throw TregError.badData(at: "chat template", "no system turns")
        }
        return messages.map { "<\($0["role"]!.string!)>\($0["content"]!.string!)</>" }.joined()
          + (generates ? "<assistant>" : "")
      }, endTokens: [], endText: nil, limits: try LengthLimits())
  }

  static let prompt = Passage.messages([
    Message(role: "system", content: "S"), Message(role: "user", content: "first"),
    Message(role: "assistant", content: "ok"), Message(role: "user", content: "What {response}?"),
  ])
  static let response = Passage.messages([Message(role: "assistant", content: "Y{criteria}Y")])

  static func texts(
    _ name: String, refusingSystem: Bool = false, prompt: Passage = prompt, response: Passage = response,
    limit: Int = 4096, count: Int = 8
  ) throws -> (better: String, worse: String, isCut: Bool) {
    let prompter = ContrastivePrompter(
      template: try .find(name), tokenizer: try tokenizer(refusingSystem: refusingSystem), contextLimit: limit)
    let prompts = try prompter.prompts(prompt: prompt, response: response, responseCount: count)
    func text(_ tokens: [Int32]) -> String {
      String(String.UnicodeScalarView(tokens.map { Unicode.Scalar(UInt32($0))! }))
    }
    return (text(prompts.better), text(prompts.worse), prompts.isCut)
  }

  @Test(arguments: ["turn", "revise", "system", "suffix"])
  func betterAndWorseDifferInTheCriteriaAlone(name: String) throws {
    let (better, worse, isCut) = try Self.texts(name)
    #expect(!isCut)
    #expect(better != worse)
    #expect(better.contains("more helpful, more correct, more coherent and more concise"))
    #expect(worse.contains("more unhelpful, more incorrect, more incoherent and more verbose"))
    #expect(
      better.replacing("more helpful, more correct, more coherent and more concise", with: "#")
        == worse.replacing("more unhelpful, more incorrect, more incoherent and more verbose", with: "#"))
    #expect(better.hasSuffix("<assistant>"))
    // The row's own braces stay what they are.
    #expect(better.contains("What {response}?"))
  }

  @Test func turnContinuesTheConversation() throws {
    let (better, worse, _) = try Self.texts("turn")
    let trunk = "<system>S</><user>first</><assistant>ok</><user>What {response}?</><assistant>Y{criteria}Y</><user>"
    #expect(better.hasPrefix(trunk))
    // The shared part reaches as far as the criteria.
    let shared = zip(better, worse).prefix { $0 == $1 }.count
    #expect(shared > trunk.count + 40)
  }

  @Test func systemTurnsAreJoined() throws {
    let better = try Self.texts("system").better
    #expect(better.hasPrefix("<system>S\n\nYou are"))
    #expect(better.components(separatedBy: "<system>").count == 2)
  }

  @Test func refusedSystemTurnsGoToTheUser() throws {
    let prompt = Passage.messages([Message(role: "user", content: "Q")])
    let better = try Self.texts("system", refusingSystem: true, prompt: prompt).better
    #expect(better.hasPrefix("<user>You are an assistant whose answers are more helpful"))
    #expect(better.hasSuffix("\n\nQ</><assistant>"))
  }

  @Test func plainTextGetsAPlainFrame() throws {
    let better = try Self.texts("turn", prompt: .text("Q: 1+1? A:"), response: .text(" 2")).better
    #expect(better.hasPrefix("Q: 1+1? A: 2\n\nPlease revise"))
    #expect(better.hasSuffix("\n\n"))
  }

  @Test func cutsOnlyTheShownResponse() throws {
    let long = Passage.messages([Message(role: "assistant", content: String(repeating: "y", count: 500))])
    let whole = try Self.texts("turn", response: long)
    let limit = whole.better.count + 8 - 100
    let cut = try Self.texts("turn", response: long, limit: limit)
    #expect(cut.isCut)
    #expect(max(cut.better.count, cut.worse.count) <= limit - 8)
    // As much is shown as fits, and the request is whole.
    #expect(max(cut.better.count, cut.worse.count) >= limit - 9)
    #expect(cut.better.hasSuffix(whole.better.suffix(80)))
  }

  @Test func cutsThePromptWhenNothingIsShown() throws {
    let cut = try Self.texts("system", limit: 60)
    #expect(cut.isCut)
    #expect(cut.better.count == 52)
    #expect(cut.better.hasSuffix("What {response}?</><assistant>"))
  }

  @Test(arguments: [
    (#"{"messages": ["prompt"], "better": "a", "worse": "b"}"#, "{criteria}"),
    (#"{"messages": [{"role": "user", "content": "{criteria}"}], "better": "a"}"#, "\"worse\""),
    (#"{"messages": ["promt"], "better": "a", "worse": "b"}"#, "messages[0]"), ("{", "line 1"),
  ])
  func namesWhatIsWrongWithAFile(text: String, reason: String) throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "template-\(UUID().uuidString).json").path
    try AtomicFile.write(text, to: path)
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect {
      _ = try ContrastiveTemplate.find(path)
    } throws: { error in
      let error = error as? TregError
      return error?.exitCode == .badData && error!.description.contains(reason) && error!.place == path
    }
  }

  @Test func aFileWorksLikeANamedTemplate() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "template-\(UUID().uuidString).json").path
    try AtomicFile.write(ContrastiveTemplate.named[0].json.text(.indented(2)), to: path)
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(try ContrastiveTemplate.find(path).hash == ContrastiveTemplate.named[0].hash)
    #expect {
      _ = try ContrastiveTemplate.find("turns")
    } throws: { ($0 as? TregError)?.exitCode == .configuration }
  }
}
