/// What was set right in a row before it could be used.
package struct Repairs: OptionSet, Sendable, Hashable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// No prompt column: the prompt is what both responses begin with.
  package static let implicitPrompt = Repairs(rawValue: 1 << 0)
  /// A prompt column that the responses repeat.
  package static let repeatedPrompt = Repairs(rawValue: 1 << 1)
  /// "Human: … Assistant: …" text became turns.
  package static let humanAssistantText = Repairs(rawValue: 1 << 2)
  /// Messages with `from` and `value` in place of `role` and `content`.
  package static let fromAndValue = Repairs(rawValue: 1 << 3)
  /// Roles by other names: human, gpt, …
  package static let renamedRoles = Repairs(rawValue: 1 << 4)
  /// A system column became the first turn.
  package static let systemColumn = Repairs(rawValue: 1 << 5)
  /// Texts became turns: questions and answers in columns of their own.
  package static let textAsTurns = Repairs(rawValue: 1 << 6)
  /// `input` was joined to `instruction`.
  package static let joinedInput = Repairs(rawValue: 1 << 7)
  /// Parts of a message's content became one text.
  package static let joinedParts = Repairs(rawValue: 1 << 8)
  /// A text began with the begin token, which the tokenizer adds itself.
  package static let secondBeginToken = Repairs(rawValue: 1 << 9)

  /// All repairs with the words that reports have for them.
  package static let names: [(repair: Repairs, name: String)] = [
    (.implicitPrompt, "prompt taken from the responses"), (.repeatedPrompt, "prompt repeated in the responses"),
    (.humanAssistantText, "Human/Assistant text made turns"), (.fromAndValue, "from/value messages"),
    (.renamedRoles, "roles renamed"), (.systemColumn, "system column made a turn"), (.textAsTurns, "texts made turns"),
    (.joinedInput, "input joined to instruction"), (.joinedParts, "parts of contents joined"),
    (.secondBeginToken, "second begin token dropped"),
  ]

  /// The words for what was repaired.
  package var names: [String] { Self.names.filter { contains($0.repair) }.map(\.name) }
}
