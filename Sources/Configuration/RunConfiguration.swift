/// Everything that decides what a run does: one immutable value, made from a YAML file and flags.
///
/// Every property is a key of ``ConfigurationKey/all``, which holds its name, limits and meaning. A value that
/// ``parse(file:flags:requiring:otherFlags:)`` returns is complete and consistent.
package struct RunConfiguration: Sendable, Equatable {
  // Inputs and output.
  package internal(set) var model = ""
  /// Another model as the reference; nil: the starting model.
  package internal(set) var reference: String?
  /// Files or globs, in order.
  package internal(set) var data: [String] = []
  package internal(set) var evalData: [String] = []
  package internal(set) var dataSplit: String?
  package internal(set) var evalSplit: String?
  /// A folder of finished rewards; nil: they are made before step 1.
  package internal(set) var rewards: String?
  package internal(set) var out = ""
  /// How memory holds weights.
  package internal(set) var weights = WeightsType.float32

  // Objective.
  package internal(set) var lossType = ["dpo"]
  /// As many as there are losses; nil: every one counts 1.
  package internal(set) var lossWeights: [Double]?
  package internal(set) var beta = 0.1
  package internal(set) var labelSmoothing = 0.0
  package internal(set) var gammaBetaRatio = 0.5
  /// nil: the default where the objective takes token rewards, else none.
  package internal(set) var tregAlpha: Double?
  package internal(set) var tregWeight = TregWeight.dynamic
  package internal(set) var tregRewards = TregRewards.contrastive
  package internal(set) var tregRewardModel: String?
  package internal(set) var tregTemplate = "turn"

  // Options of single losses.
  package internal(set) var rpoAlpha: Double?
  package internal(set) var useWeighting = false
  package internal(set) var ldAlpha: Double?
  package internal(set) var ipoReduction = Reduction.mean
  package internal(set) var discopopTau = 0.05
  package internal(set) var cpoAlpha = 1.0
  package internal(set) var tdpoAlpha = 0.5
  package internal(set) var sepoRatio = 0.3
  package internal(set) var sepoScale = 1.0
  package internal(set) var tisWeights = TISWeights.exponential
  package internal(set) var tisScale = 1.0
  package internal(set) var tisMu = 1.0
  package internal(set) var tisLower = -0.5
  package internal(set) var tisUpper = 1.5
  package internal(set) var tisKL = 0.0
  package internal(set) var tgdpoAlpha = 0.5
  package internal(set) var d2poGamma = 0.98

  // Adapters.
  /// Whether low-rank adapters train in place of the weights.
  package internal(set) var usePeft = false
  /// nil: 16, or that of the adapter that training starts from.
  package internal(set) var loraRank: Int?
  /// nil: 32, or that of the adapter.
  package internal(set) var loraAlpha: Double?
  /// Empty: those that PEFT adapts by default.
  package internal(set) var loraTargetModules: [String] = []
  package internal(set) var useRSLoRA = false

  // Rows.
  package internal(set) var maxLength = 2048
  package internal(set) var maxPromptLength: Int?
  package internal(set) var badRows = BadRows.error

  // Batches and length.
  package internal(set) var globalBatchSize = 128
  package internal(set) var microBatchTokens = Automatic.automatic
  package internal(set) var numTrainEpochs = 1.0
  /// -1: as many as the epochs give.
  package internal(set) var maxSteps = -1

  // Optimizer.
  package internal(set) var learningRate = 5e-7
  package internal(set) var schedule = Schedule.cosine
  /// Exactly one of the two is set.
  package internal(set) var warmupRatio: Double? = 0.1
  package internal(set) var warmupSteps: Int?
  package internal(set) var weightDecay = 0.0
  package internal(set) var adamBeta1 = 0.9
  package internal(set) var adamBeta2 = 0.999
  package internal(set) var adamEpsilon = 1e-8
  /// 0: no clipping.
  package internal(set) var maxGradNorm = 1.0

  // Guards.
  /// So many skipped steps in a row end the run.
  package internal(set) var maxSkippedSteps = 3
  /// A gradient whose norm is above so many times the running median is skipped; nil: none is.
  package internal(set) var spikeFactor: Double?
  /// Steps from one comparison of ranks' weights to the next; 0: none.
  package internal(set) var checkWeightsSteps = 100

  // Reports and checkpoints.
  package internal(set) var loggingSteps = 1
  package internal(set) var evalSteps: Int?
  package internal(set) var saveSteps: Int?
  package internal(set) var saveTotalLimit: Int? = 2
  /// Whether training goes on while a checkpoint is written.
  package internal(set) var saveAsync = true
  /// What checkpoints are compared by; nil: they are not, unless the best is to be loaded.
  package internal(set) var metricForBestModel: String?
  /// nil: as the metric's name suggests.
  package internal(set) var greaterIsBetter: Bool?
  package internal(set) var loadBestModelAtEnd = false
  package internal(set) var saveType = SaveType.float32
  /// Bytes of the largest file of weights, as long as tensors are smaller.
  package internal(set) var maxShardSize = 5_000_000_000

  // The machine.
  package internal(set) var seed = 42
  package internal(set) var profile = false
  package internal(set) var recompute = false
  package internal(set) var threads = Automatic.automatic
  package internal(set) var gradientExchange = GradientExchange.reduceScatter
  /// Whether the same bits come of 1, 2, 4, … ``virtualRanks`` ranks and of any number of threads.
  package internal(set) var reproducible = false
  package internal(set) var virtualRanks = 8
  /// How gradients travel between hosts.
  package internal(set) var wire = Wire.float32

  init() {}
}

extension RunConfiguration {
  /// Whether ranks keep memory for a copy of what checkpoints on the way hold.
  package var copiesCheckpoints: Bool { saveAsync && saveSteps != nil }

  /// A number that the program chooses itself unless the user does.
  package enum Automatic: Sendable, Equatable {
    case automatic
    case count(Int)
  }

  package enum TregWeight: String, Sendable, CaseIterable {
    case dynamic
    /// The paper's ablation.
    case `static`
  }

  /// Where token rewards come from, and what is done to them.
  package enum TregRewards: String, Sendable, CaseIterable {
    case contrastive
    /// The paper's ablation: a DPO-trained model against the reference.
    case dpo
    /// Controls on contrastive rewards.
    case shuffled, flipped, constant
  }

  package enum Reduction: String, Sendable, CaseIterable { case mean, sum }
  package enum TISWeights: String, Sendable, CaseIterable { case exponential, rank }

  package enum BadRows: String, Sendable, CaseIterable {
    /// The first bad row ends the run.
    case error
    /// Bad rows are left out and counted.
    case skip
  }

  /// The course of the learning rate, as transformers names it.
  package enum Schedule: String, Sendable, CaseIterable {
    case cosine
    case linear
    case constant
    case constantWithWarmup = "constant_with_warmup"

    /// Whether the rate at a step depends on how many steps there are in all.
    package var dependsOnLength: Bool { self == .cosine || self == .linear }
  }

  /// The number format of weights in memory.
  package enum WeightsType: String, Sendable, CaseIterable {
    case float32, bfloat16, float16
    /// What the model's configuration says that its files hold.
    case automatic = "auto"
  }

  /// The number format of the weights that are written.
  package enum SaveType: String, Sendable, CaseIterable {
    case float32, bfloat16, float16
  }

  package enum Wire: String, Sendable, CaseIterable {
    case float32, bfloat16
  }

  package enum GradientExchange: String, Sendable, CaseIterable {
    /// Every rank receives the sum of the part it owns, steps, and the parameters are gathered.
    case reduceScatter = "reduce_scatter"
    /// Every rank receives the whole sum.
    case allReduce = "all_reduce"
  }
}
