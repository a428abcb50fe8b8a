import RunFolder

/// Buffers that the search for the best path reuses from word to word.
struct ViterbiScratch {
  struct Place {
    /// Score of the best path from the start of the word to here.
    var score: Double
    /// Where the last token of that path starts; -1 without a path.
    var start: Int
    var token: Int32
  }

  var places: [Place] = []
  var path: [Place] = []
}

/// Unigram segmentation: of all ways to write a word as tokens the one whose scores have the largest sum.
///
/// A character that is no token counts as unknown, at the lowest score less 10; neighbouring unknown characters are one
/// token, or the tokens of their bytes.
///
/// Source: T. Kudo, Subword Regularization (2018), section 3.2, as `tokenizers` has it.
struct UnigramModel: Sendable {
  let vocabulary: Vocabulary
  let scores: [Double]
  let trie: ByteTrie
  let unknownToken: Int32?
  let unknownScore: Double
  /// The token of every byte, -1 where there is none; empty without byte fallback.
  let fallbackTokens: [Int32]
  /// Where the model stands, for errors.
  let place: String

  /// Appends the tokens of `word`.
  ///
  /// - Throws: ``TregError`` (65) for a character that has no token when the file names no unknown token.
  func encode(_ word: UnsafeBufferPointer<UInt8>, scratch: inout ViterbiScratch, to output: inout [Int32]) throws {
    search(word, &scratch)
    scratch.path.removeAll(keepingCapacity: true)
    var end = word.count
    while end > 0 {
      var step = scratch.places[end]
      guard step.token >= 0 else {
        throw TregError.badData(at: place, "the text has a character that is no token, and there is no unknown token")
      }
      // The path is walked backwards, so the end of a step goes where its score was.
      step.score = Double(end)
      scratch.path.append(step)
      end = step.start
    }
    var index = scratch.path.count - 1
    while index >= 0 {
      let step = scratch.path[index]
      guard step.token == unknownToken else {
        output.append(step.token)
        index -= 1
        continue
      }
      var last = index
      while last > 0, scratch.path[last - 1].token == unknownToken { last -= 1 }
      appendUnknown(UnsafeBufferPointer(rebasing: word[step.start..<Int(scratch.path[last].score)]), to: &output)
      index = last - 1
    }
  }

  private func search(_ word: UnsafeBufferPointer<UInt8>, _ scratch: inout ViterbiScratch) {
    scratch.places.removeAll(keepingCapacity: true)
    scratch.places.append(contentsOf: repeatElement(.init(score: 0, start: -1, token: -1), count: word.count + 1))
    scratch.places.withUnsafeMutableBufferPointer { places in
      @inline(__always) func offer(_ score: Double, from start: Int, to end: Int, _ token: Int32) {
        if places[end].start < 0 || score > places[end].score {
          places[end] = .init(score: score, start: start, token: token)
        }
      }
      var start = 0
      while start < word.count {
        let score = places[start].score
        let length = UTF8Text.length(word[start])
        var hasSingle = false
        trie.forEachPrefix(of: word, from: start) { end, token in
          offer(scores[Int(token)] + score, from: start, to: end, token)
          if end == start + length { hasSingle = true }
        }
        if !hasSingle { offer(unknownScore + score, from: start, to: start + length, unknownToken ?? -1) }
        start += length
      }
    }
  }

  private func appendUnknown(_ text: UnsafeBufferPointer<UInt8>, to output: inout [Int32]) {
    if let id = vocabulary.id(of: text) { return output.append(id) }
    if !fallbackTokens.isEmpty, text.allSatisfy({ fallbackTokens[Int($0)] >= 0 }) {
      for byte in text { output.append(fallbackTokens[Int(byte)]) }
    } else if let unknownToken {
      output.append(unknownToken)
    }
  }
}

extension UnigramModel {
  /// Reads `model` of a tokenizer file, whose `vocab` lists texts and scores in the order of ids.
  init(_ node: FileNode, vocabulary: Vocabulary, scores: [Double]) throws {
    self.vocabulary = vocabulary
    self.scores = scores
    var trie = ByteTrie(capacity: vocabulary.byteCount)
    for id in 0..<scores.count {
      // Of two tokens with one text the last counts.
      vocabulary.withText(of: id) { if !$0.isEmpty, vocabulary.id(of: $0) == Int32(id) { trie.add($0, Int32(id)) } }
    }
    self.trie = trie
    var unknown: Int32?
    if let name = node["unk_id"] {
      let id = try name.integer()
      guard id >= 0, id < scores.count else {
        throw name.error("the id \(id) is no token of model.vocab, which has \(scores.count)")
      }
      unknown = Int32(id)
    }
    unknownToken = unknown
    unknownScore = (scores.min() ?? 0) - 10
    fallbackTokens =
      try node.flag("byte_fallback", or: false) ? BytePairModel.fallbackTokens(vocabulary) : []
    place = "\(node.place): \(node.path)"
  }
}
