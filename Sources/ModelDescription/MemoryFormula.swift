/// Resident bytes of one rank, as a sum of named terms, all of them known before anything is allocated.
///
/// Everything is fp32 but weights of b bytes, 4 or 2. With N the elements of the flat parameter buffer, M those of the weights that train (N, or the
/// adapters' elements), D the shards of the optimizer's state,
/// G the gradient buffers, T packed and S scored tokens of a micro-batch, h, h_q, h_kv and f the widths of hidden states, queries, keys and MLP,
/// a the heads, L the layers and V the vocabulary:
///
///     weights      b N
///     adapter      4 M                                            training of low-rank adapters
///     gradients    4 M G                                          training; G is 1 + log₂ of a rank's shares when reproducible
///     optimizer    8 M / D                                        training
///     masters      4 M / D                                        training of weights of two bytes
///     saving       4 W + 8 M / C                                  copies that checkpoints are written from while training goes on
///     reference    b N                                            when a second model is kept
///     beside it    4 (T (k + 2 h) + S (4 h + 2) + 384 V + w)      when the reference runs beside the trained model
///     activations  4 T (L k + 2 h)                                training; scoring keeps one layer
///                  4 T ((L + 2) h + k)                            training that makes them again
///     backward     4 T b                                          training: gradients inside one layer
///     scored       4 S (4 h + 2)                                  states of scored tokens, and their gradients
///     logits       4 S V                                          training, while they fit a budget; else of 384 tokens
///     workspace    4 · threads · w                                attention's scores, or a panel of the MLP; a widened tile
///     scores       12 S' + 344 R'                                 training with scores of a frozen model, of rows that a rank holds
///     process      program, libraries, their threads' buffers, tokenizer, rows
///     reward model 4 N' + …                                       while another model makes token rewards, what that takes beyond training
///
/// W are the elements of the weights in the files that fall to one of the C ranks that write a checkpoint, as
/// ``WeightFileDivision`` deals them: M / C and what tensors are too large to divide evenly.
/// S' and R' are the scored tokens and the rows of a rank's part of the data, and N' the elements of the model that token rewards
/// are of. It is gone before gradients and optimizer take their room, so that it seldom counts.
/// k is ``ModelDescription/keptPerToken``, 2 h + 2 h_q + 2 h_kv + 2 f + a + 2 for Llama, and b is
/// ``ModelDescription/backwardPerToken``, 3 h + 2 h_q + 2 h_kv + 3 f for Llama. Buffers that follow the batch, from activations to workspace, are made 1/16 larger than they have to be, so that they
/// seldom grow.
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
    /// G, buffers of gradients: more than one where a rank sums those of several shares in a fixed order.
    package var gradients: Int
    /// Whether a frozen second model stays in memory beside the trained one.
    package var keepsReference: Bool
    /// Whether the reference runs beside the trained model, with weights of its own or the same without adapters. It is
    /// taken to have the trained model's shape.
    package var runsReference: Bool
    /// b, of a weight in memory; what trains has fp32 masters where this is 2.
    package var weightBytes: Int
    /// Low-rank adapters that train in place of the weights.
    package var lowRank: LowRankLayout?
    /// Whether the backward pass makes activations again.
    package var recomputes: Bool
    /// Ranks that write checkpoints together, from copies; 0: nothing is copied.
    package var savers: Int
    /// Rows whose scores the rank holds, and scored tokens in them.
    package var scoreRows = 0
    package var scoreTokens = 0
    /// N', elements of a model that token rewards are made of before training; 0 when there is none.
    package var rewardElements = 0
    /// Tokens of the longest conversation among them.
    package var longest: Int
    /// Bytes of logits that training may keep from the forward to the backward pass; nil: as the model suggests.
    package var logitBudget: Int?
    /// Bytes of the process before it loads a model, per rank; an MPI brings its own.
    package var processBytes: Int
    /// Bytes that each thread adds: its stack's touched part and its buffer inside the matrix library.
    package var threadBytes: Int

    package init(
      purpose: Purpose = .training, tokens: Int, scoredTokens: Int, shards: Int = 1, threads: Int = 1,
      gradients: Int = 1,
      keepsReference: Bool = false, runsReference: Bool = false, weightBytes: Int = 4, lowRank: LowRankLayout? = nil,
      recomputes: Bool = false, savers: Int = 0, scoreRows: Int = 0, scoreTokens: Int = 0, rewardElements: Int = 0,
      longest: Int? = nil,
      logitBudget: Int? = nil, processBytes: Int = Workload.processBytes(ranks: 1),
      threadBytes: Int = 4 << 20
    ) {
      precondition(
        tokens >= 0 && scoredTokens >= 0 && shards > 0 && threads > 0 && gradients > 0, "a workload has sizes")
      self.purpose = purpose
      self.tokens = tokens
      self.scoredTokens = scoredTokens
      self.shards = shards
      self.threads = threads
      self.gradients = gradients
      self.keepsReference = keepsReference
      self.runsReference = runsReference
      self.weightBytes = weightBytes
      self.lowRank = lowRank
      self.recomputes = recomputes
      self.savers = savers
      self.scoreRows = scoreRows
      self.scoreTokens = scoreTokens
      self.rewardElements = rewardElements
      self.longest = longest ?? tokens
      self.logitBudget = logitBudget
      self.processBytes = processBytes
      self.threadBytes = threadBytes
    }

    /// As measured, with a tokenizer of 50,000 tokens; several ranks have 32 MiB for pieces of gradients on their way.
    package static func processBytes(ranks: Int) -> Int { ranks == 1 ? 48 << 20 : 112 << 20 }
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
    let perToken = model.keptPerToken
    let perTokenBackward = model.backwardPerToken

    let bytes = workload.weightBytes
    add("weights", "\(bytes) · \(elements)", bytes * elements)
    if trains {
      let trained = TrainedParameters(model, lowRank: workload.lowRank).bufferCount
      if workload.lowRank != nil { add("adapter", "4 · \(trained)", 4 * trained) }
      let buffers = workload.gradients
      add("gradients", buffers == 1 ? "4 · \(trained)" : "\(buffers) · 4 · \(trained)", buffers * 4 * trained)
      let shard = (trained + workload.shards - 1) / workload.shards
      add("optimizer", "8 · \(trained) / \(workload.shards)", 8 * shard)
      if bytes < 4, workload.lowRank == nil {
        add("masters", "4 · \(trained) / \(workload.shards)", 4 * shard)
      }
      if workload.savers > 0 {
        let written =
          workload.lowRank == nil
          ? WeightFileDivision.files(of: model.parameters, writers: workload.savers).map { files in
            files.joined().reduce(0) { $0 + $1.count }
          }.max()! : trained
        add(
          "saving", "4 · \(written) + 8 · \(trained) / \(workload.savers)",
          4 * written + 8 * ((trained + workload.savers - 1) / workload.savers))
      }
    }
    if workload.keepsReference { add("reference", "\(bytes) · \(elements)", bytes * elements) }
    func addRoom(_ name: String, _ formula: String, _ elements: Int) {
      add(name, "4.25 · " + formula, 4 * (elements + elements / 16))
    }
    if trains, workload.recomputes {
      addRoom(
        "activations", "\(tokens) tokens · (\(model.layerCount + 2) · \(model.width) + \(perToken))",
        tokens * ((model.layerCount + 2) * model.width + perToken))
    } else {
      let layers = trains ? model.layerCount : 1
      addRoom(
        "activations", "\(tokens) tokens · (\(layers) layers · \(perToken) + \(2 * model.width))",
        tokens * (layers * perToken + 2 * model.width))
    }
    if trains {
      let adapters = workload.lowRank?.backwardPerToken ?? 0
      addRoom(
        "backward", "\(tokens) tokens · \(perTokenBackward + adapters)", tokens * (perTokenBackward + adapters))
    }
    addRoom("scored", "\(scored) tokens · \(4 * model.width + 2)", scored * (4 * model.width + 2))
    let chunk = min(scored, Self.logitChunk)
    let kept =
      trains ? min(scored, max((workload.logitBudget ?? model.logitBudget) / (4 * model.logitStride), chunk)) : chunk
    addRoom("logits", "\(kept) tokens · \(model.logitStride)", kept * model.logitStride)
    let workspace =
      Self.workspace(model, longest: workload.longest) + (bytes < 4 ? Self.weightTile(model) : 0)
    if workload.runsReference {
      let room = tokens * (perToken + 2 * model.width) + scored * (4 * model.width + 2) + chunk * model.logitStride
      addRoom(
        "beside it",
        "(\(tokens) tokens · \(perToken + 2 * model.width) + \(scored) · \(4 * model.width + 2) + \(chunk) · "
          + "\(model.logitStride) + \(workload.threads) threads · \(workspace))",
        room + workload.threads * workspace)
    }
    addRoom("workspace", "\(workload.threads) threads · \(workspace)", workload.threads * workspace)
    add(
      "process", "\(workload.processBytes) + \(workload.threads) threads · \(workload.threadBytes)",
      workload.processBytes + workload.threads * workload.threadBytes)
    if trains, workload.scoreRows > 0 {
      let (rows, scored) = (workload.scoreRows, workload.scoreTokens)
      add(
        "scores", "12 · \(scored) tokens + \(Self.bytesPerScoredRow) · \(rows) rows",
        12 * scored + Self.bytesPerScoredRow * rows)
    }
    if trains, workload.rewardElements > 0 {
      let training = terms.reduce(0) { $0 + $1.bytes }
      let scoring = Self.scoringBytes(model, workload)
      add(
        "reward model",
        "4 · \(workload.rewardElements) beside the reference, \(scoring) in all, beyond what trains later",
        max(0, scoring - training))
    }
    self.terms = terms
  }

  /// What a rank takes while the reference and the model that token rewards are of score rows, before anything trains.
  private static func scoringBytes(_ model: ModelDescription, _ workload: Workload) -> Int {
    var scoring = workload
    scoring.purpose = .scoring
    (scoring.keepsReference, scoring.runsReference) = (false, false)
    let scores = 12 * workload.scoreTokens + bytesPerScoredRow * workload.scoreRows
    return MemoryFormula(model, scoring).totalBytes + 4 * workload.rewardElements + scores
  }

  /// A row's scores are six arrays, of 32 bytes and what an allocation wastes, and 56 bytes that name them.
  private static let bytesPerScoredRow = 6 * 48 + 56

  /// Tokens whose logits are made together.
  package static let logitChunk = 384

  /// Elements that one thread needs: attention's block of 192 stacked query rows or so against a whole path, or a panel of
  /// 384 tokens inside the MLP.
  private static func workspace(_ model: ModelDescription, longest: Int) -> Int {
    let group = model.headCount / model.keyValueHeadCount
    let rows = group * min(max(192 / group, 16), 128)
    return max(rows * (3 * model.headDimension + 2 * (longest + 1) + 3), 384 * (model.width + model.mlpWidth))
  }

  /// Largest tile of a weight that products take at once: outputs, which a gradient of inputs sums over, by inputs. As many
  /// outputs as the product kernels sum in one go (`gemm.c`), and 2 MB at most where the tile is widened first.
  package static let tileOutputs = 320
  package static let tileInputs = 1600

  /// Elements of the largest widened tile.
  package static func weightTile(_ model: ModelDescription) -> Int {
    tileOutputs * min(tileInputs, max(model.width, model.queryWidth, model.mlpWidth))
  }

  package var totalBytes: Int { terms.reduce(0) { $0 + $1.bytes } }
}

extension ModelDescription {
  /// Floats from one token's logits to the next one's. Rows that are whole pages apart would meet in few places of the
  /// caches, so these are a line further.
  package var logitStride: Int { vocabularySize % 1024 == 0 ? vocabularySize + 16 : vocabularySize }

  /// Bytes of logits that are worth keeping from the forward to the backward pass: making them again costs a fifth of the
  /// head's time, which in small models with large vocabularies is most of a step. No more than the weights in fp32.
  package var logitBudget: Int { max(256 << 20, 4 * bufferCount) }
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
