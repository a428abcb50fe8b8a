import OrderedJSON
import RunFolder
import Synchronization

/// A tokenizer as a `tokenizer.json` describes it, equal to Hugging Face `tokenizers` id by id.
///
/// Text goes: added tokens cut out → normalised → normalised added tokens cut out → words → tokens. Truncation and
/// padding that a file may carry are not applied. One value serves any number of threads at once.
///
/// Source: the `tokenizers` library's file format and behaviour.
package final class Tokenizer: Sendable {
  let model: TokenModel
  let normalizer: Normalizer?
  let preTokenizer: PreTokenizer
  let postProcessor: PostProcessor
  let addedTokens: AddedTokens
  let normalizedAddedTokens: AddedTokens
  let decoder: TokenDecoder
  /// Model tokens and added tokens.
  let vocabulary: Vocabulary
  /// Lanes that no call uses at the moment.
  private let idleLanes = Mutex<[Lane]>([])

  /// One more than the highest token id: what an embedding must have rows for.
  package let vocabularySize: Int

  /// - Parameters:
  ///   - tokenizerJSON: the parsed file.
  ///   - place: the file as users know it, for errors.
  /// - Throws: ``TregError`` (65) with file and key, when the file is broken or asks for what is not supported.
  package init(tokenizerJSON: JSONValue, place: String) throws {
    let file = try TokenizerFile(FileNode(value: tokenizerJSON, place: place, path: ""))
    model = file.model
    normalizer = file.normalizer
    preTokenizer = file.preTokenizer
    postProcessor = file.postProcessor
    vocabulary = file.vocabulary
    decoder = file.decoder
    vocabularySize = file.vocabulary.idEnd
    var plain = AddedTokens()
    var normalized = AddedTokens()
    let workspace = MatchWorkspace()
    // Of two tokens with one text a special one counts.
    for token in file.addedTokens.filter(\.isSpecial) + file.addedTokens.filter({ !$0.isSpecial }) {
      if token.isNormalized {
        let text = try token.normalizedText(by: file.normalizer, workspace: workspace)
        normalized.add(token, text: text ?? Array(token.content.utf8))
      } else {
        plain.add(token, text: token.content.utf8)
      }
    }
    addedTokens = plain
    normalizedAddedTokens = normalized
  }

  /// The tokens of `text`.
  ///
  /// - Parameter addingSpecialTokens: puts around them what the file's template says (a begin token, say). Rendered
  ///   chat templates bring their own.
  /// - Throws: ``TregError`` (65) when a pattern of the file would take too many steps on this text.
  package func encode(_ text: String, addingSpecialTokens: Bool = false) throws -> [Int32] {
    var output: [Int32] = []
    guard addingSpecialTokens else {
      try append(text, to: &output)
      return output
    }
    for part in postProcessor.parts {
      switch part {
      case .text: try append(text, to: &output)
      case .tokens(let tokens): output += tokens
      }
    }
    return output
  }

  private func append(_ text: String, to output: inout [Int32]) throws {
    let lane = idleLanes.withLock { $0.popLast() } ?? Lane()
    defer { idleLanes.withLock { $0.append(lane) } }
    var text = text
    try text.withUTF8 { bytes in
      // Text of ordinary languages gives about one token for four bytes.
      output.reserveCapacity(output.count + bytes.count / 4)
      try addedTokens.split(bytes) { piece in
        let isAtStart = piece.baseAddress == bytes.baseAddress
        if let text = try normalizer?.normalized(piece, isAtStart: isAtStart, workspace: lane.matching) {
          try text.bytes.withUnsafeBufferPointer {
            try appendNormalized($0, originCount: text.originCount, lane: lane, to: &output)
          }
        } else {
          let originCount = isAtStart ? UTF8Text.firstLength(piece) : 0
          try appendNormalized(piece, originCount: originCount, lane: lane, to: &output)
        }
      } token: {
        output.append($0)
      }
    }
  }

  private func appendNormalized(
    _ text: UnsafeBufferPointer<UInt8>, originCount: Int, lane: Lane, to output: inout [Int32]
  ) throws {
    try normalizedAddedTokens.split(text) { piece in
      let start = piece.baseAddress.map { $0 - text.baseAddress! } ?? 0
      try preTokenizer.forEachWord(
        of: piece, originCount: max(0, originCount - start), workspace: lane.matching
      ) { word in
        try lane.append(word, by: model, to: &output)
      }
    } token: {
      output.append($0)
    }
  }
}
