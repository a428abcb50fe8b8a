/// Resident bytes of one rank, as a sum of named terms, all of them known before anything is allocated.
///
/// Everything is fp32. With N the elements of the flat parameter buffer, D the shards of the optimizer's state,
/// T packed and S scored tokens of a micro-batch, h, h_q, h_kv and f the widths of hidden states, queries, keys and MLP,
/// a the heads, L the layers and V the vocabulary:
///
///     weights      4 N
///     gradients    4 N                                            training
///     optimizer    8 N / D                                        training
///     reference    4 N                                            when a second model is kept
///     activations  4 T L (4 h + 2 h_q + 2 h_kv + 3 f + a)         training; scoring keeps one layer
///     backward     4 T (4 h + 2 h_q + 2 h_kv + 3 f)               training: gradients inside one layer
///     scored       4 · 2 S h                                      hidden states of scored tokens, and their gradients
///     logits       4 C V                                          C tokens at a time
///     attention    4 · threads · tile
///     process      program, libraries, their threads' buffers, tokenizer
package struct MemoryFormula: Sendable {
  /// What a rank does, as far as its memory depends on it.
  package struct Workload: Sendable, Hashable {
    package enum Purpose: Sendable, Hashable { case training, scoring }

    package var purpose: Purpose
    /// T, packed tokens of the largest micro-batch.
    package var tokens: Int
    /// S, scored tokens among them.
    package var scoredTokens: Int
    /// D, over how many ranks the optimizer's state is divided.
    package var shards: Int
    package var threads: Int
    /// Whether a frozen second model stays in memory beside the trained one.
    package var keepsReference: Bool
    /// C, tokens whose logits exist at the same time.
    package var logitChunk: Int
    /// Elements that one thread needs inside attention.
    package var attentionTile: Int
    /// Bytes of the process before it loads a model, per rank.
    package var processBytes: Int
    /// Bytes that each thread adds: its stack's touched part and its buffer inside the matrix library.
    package var threadBytes: Int

    package init(
      purpose: Purpose = .training, tokens: Int, scoredTokens: Int, shards: Int = 1, threads: Int = 1,
      keepsReference: Bool = false, logitChunk: Int = 256, attentionTile: Int = 1 << 18,
      processBytes: Int = 96 << 20, threadBytes: Int = 4 << 20
    ) {
      precondition(tokens >= 0 && scoredTokens >= 0 && shards > 0 && threads > 0, "a workload has sizes")
      self.purpose = purpose
      self.tokens = tokens
      self.scoredTokens = scoredTokens
      self.shards = shards
      self.threads = threads
      self.keepsReference = keepsReference
      self.logitChunk = logitChunk
      self.attentionTile = attentionTile
      self.processBytes = processBytes
      self.threadBytes = threadBytes
    }
  }

  package struct Term: Sendable, Hashable {
    package let name: String
    /// The formula with its numbers, such as `4 · 134515008`.
    package let formula: String
    package let bytes: Int
  }

  package let workload: Workload
  package let terms: [Term]

  package init(_ model: ModelDescription, _ workload: Workload) {
    self.workload = workload
    var terms: [Term] = []
    func add(_ name: String, _ formula: String, _ bytes: Int) {
      terms.append(Term(name: name, formula: formula, bytes: bytes))
    }
    let trains = workload.purpose == .training
    let elements = model.bufferCount
    let (tokens, scored) = (workload.tokens, workload.scoredTokens)
    let chunk = min(workload.logitChunk, max(scored, 1))
    let perToken = 4 * model.width + 2 * model.queryWidth + 2 * model.keyValueWidth + 3 * model.mlpWidth
    let heads = model.headCount

    add("weights", "4 · \(elements)", 4 * elements)
    if trains {
      add("gradients", "4 · \(elements)", 4 * elements)
      let shard = (elements + workload.shards - 1) / workload.shards
      add("optimizer", "8 · \(elements) / \(workload.shards)", 8 * shard)
    }
    if workload.keepsReference { add("reference", "4 · \(elements)", 4 * elements) }
    let layers = trains ? model.layerCount : 1
    add(
      "activations", "4 · \(tokens) tokens · \(layers) layers · \(perToken + heads)",
      4 * tokens * layers * (perToken + heads))
    if trains { add("backward", "4 · \(tokens) tokens · \(perToken)", 4 * tokens * perToken) }
    add("scored", "8 · \(scored) tokens · \(model.width)", 8 * scored * model.width)
    add("logits", "4 · \(chunk) tokens · \(model.vocabularySize)", 4 * chunk * model.vocabularySize)
    add(
      "attention", "4 · \(workload.threads) threads · \(workload.attentionTile)",
      4 * workload.threads * workload.attentionTile)
    add(
      "process", "\(workload.processBytes) + \(workload.threads) threads · \(workload.threadBytes)",
      workload.processBytes + workload.threads * workload.threadBytes)
    self.terms = terms
  }

  package var totalBytes: Int { terms.reduce(0) { $0 + $1.bytes } }
}

extension MemoryFormula: CustomStringConvertible {
  /// One line per term and one for the sum, aligned.
  package var description: String {
    let rows = terms.map { ($0.name, Self.readable($0.bytes), $0.formula) } + [("total", Self.readable(totalBytes), "")]
    let nameWidth = rows.map(\.0.count).max() ?? 0
    let sizeWidth = rows.map(\.1.count).max() ?? 0
    return rows.map { name, size, formula in
      let left = name + String(repeating: " ", count: nameWidth - name.count + 2)
      let right = String(repeating: " ", count: sizeWidth - size.count) + size
      return formula.isEmpty ? left + right : left + right + "  = " + formula
    }.joined(separator: "\n")
  }

  /// A size in MB or GB (powers of ten) with one decimal.
  package static func readable(_ bytes: Int) -> String {
    let (unit, name) = bytes >= 1_000_000_000 ? (1_000_000_000, "GB") : (1_000_000, "MB")
    let tenths = (bytes * 10 + unit / 2) / unit
    return "\(tenths / 10).\(tenths % 10) \(name)"
  }
}
