import RunFolder

/// The names an objective is selected by, and how it is made from options.
struct ObjectiveRegistration: Sendable {
  /// How the objective's pairs are weighted by ``PairWeighted``.
  enum Weighting: Sendable { case bounded }

  /// The first name is the one that lists show; the others are accepted too.
  let names: [String]
  let weighting: Weighting?
  /// The weight of the chosen response's negative log-likelihood that belongs to the objective.
  let nllWeight: (@Sendable (ObjectiveOptions) -> Double)?
  let make: @Sendable (ObjectiveOptions) throws -> any Objective

  init(
    names: [String], weighting: Weighting? = nil, nllWeight: (@Sendable (ObjectiveOptions) -> Double)? = nil,
    make: @escaping @Sendable (ObjectiveOptions) throws -> any Objective
  ) {
    self.names = names
    self.weighting = weighting
    self.nllWeight = nllWeight
    self.make = make
  }
}

/// Every objective by name. A new one is one file with a registration, and its line here.
package enum ObjectiveRegistry {
  static let registrations: [ObjectiveRegistration] = [
    DPO.registration,
    RobustDPO.registration,
    HingeDPO.registration,
    IPO.registration,
    LengthNormalizedDPO.registration,
    EXO.registration,
    DiscoPOP.registration,
    APOZero.registration,
    APODown.registration,
    BCO.registration,
    NCA.registration,
    SPPO.registration,
    SFT.registration,
    SimPO.registration,
    CPO.registration,
    ORPO.registration,
    TDPO.first,
    TDPO.second,
    SePO.registration,
    TISDPO.registration,
    TGDPO.registration,
    D2PO.registration,
    WPO.registration,
  ]

  /// TRL's losses that order the pairs of a whole batch.
  private static let batchLosses = ["aot", "aot_unpaired", "aot_pair"]

  /// All accepted values of `loss_type`.
  package static var names: [String] { registrations.flatMap(\.names) }

  /// One name of every objective.
  package static var firstNames: [String] { registrations.map { $0.names[0] } }

  /// The objective that a configuration asks for.
  ///
  /// - Parameters:
  ///   - lossTypes: `loss_type`; several are summed.
  ///   - weights: `loss_weights`, one for each of `lossTypes`; nil counts every one 1.
  ///   - options: T-REG is added to each objective that takes it.
  /// - Throws: configuration errors (78) that name the key.
  package static func objective(
    lossTypes: [String], weights: [Double]? = nil, options: ObjectiveOptions
  ) throws -> any Objective {
    guard !lossTypes.isEmpty else {
      throw TregError.configuration(at: "loss_type", "expected at least one of \(known)")
    }
    let weights = weights ?? [Double](repeating: 1, count: lossTypes.count)
    guard weights.count == lossTypes.count else {
      throw TregError.configuration(
        at: "loss_weights", "expected \(lossTypes.count) numbers, one for each loss_type, found \(weights.count)")
    }
    guard weights.allSatisfy({ $0.isFinite && $0 >= 0 }), weights.contains(where: { $0 > 0 }) else {
      throw TregError.configuration(at: "loss_weights", "expected numbers of at least 0, and not all 0")
    }
    let registrations = try lossTypes.map(registration(named:))
    let alpha = try tokenRewardWeight(registrations, options: options)
    var terms: [(objective: any Objective, weight: Double)] = []
    for (registration, weight) in zip(registrations, weights) {
      terms.append((try objective(registration, options: options, alpha: alpha), weight))
      if let nllWeight = registration.nllWeight {
        let own = try options.checked(nllWeight(options), "cpo_alpha", "a number of at least 0") { $0 >= 0 }
        if own > 0 { terms.append((SFT(), weight * own)) }
      }
    }
    if let rpoAlpha = options.rpoAlpha {
      let weight = try options.checked(rpoAlpha, "rpo_alpha", "a number of at least 0") { $0 >= 0 }
      if weight > 0 { terms.append((SFT(), weight)) }
    }
    if terms.count == 1, terms[0].weight == 1 { return terms[0].objective }
    return WeightedSum(terms)
  }

  private static func registration(named lossType: String) throws -> ObjectiveRegistration {
    if batchLosses.contains(lossType) {
      throw TregError.configuration(
        at: "loss_type", "\(lossType) orders the pairs of a whole batch, and losses are those of single pairs here")
    }
    guard let registration = registrations.first(where: { $0.names.contains(lossType) }) else {
      throw TregError.configuration(at: "loss_type", "unknown objective \"\(lossType)\"; expected one of \(known)")
    }
    return registration
  }

  /// α of T-REG: what was asked for, if any of the objectives takes token rewards.
  private static func tokenRewardWeight(
    _ registrations: [ObjectiveRegistration], options: ObjectiveOptions
  ) throws -> Double {
    let alpha = try options.tregAlpha.map {
      try options.checked($0, "treg_alpha", "a number of at least 0") { $0 >= 0 }
    }
    let takesAny = try registrations.contains { registration in
      (try registration.make(options) as? any MarginObjective)?.takesTokenRewards ?? false
    }
    if let alpha, alpha > 0, !takesAny {
      throw TregError.configuration(
        at: "treg_alpha",
        "\(registrations.map { $0.names[0] }.joined(separator: ", ")) cannot be regularised by token rewards; set it to 0 or leave it out"
      )
    }
    return takesAny ? alpha ?? ObjectiveOptions.defaultTregAlpha : 0
  }

  private static func objective(
    _ registration: ObjectiveRegistration, options: ObjectiveOptions, alpha: Double
  ) throws -> any Objective {
    var objective = try registration.make(options)
    if alpha > 0, let margin = objective as? any MarginObjective, margin.takesTokenRewards {
      objective = regularized(margin, alpha: alpha, isStatic: options.hasStaticWeight)
    }
    if registration.weighting == .bounded {
      objective = PairWeighted(objective, isBounded: true)
    } else if options.usesWeighting {
      objective = PairWeighted(objective, isBounded: false)
    }
    return objective
  }

  private static func regularized(_ base: some MarginObjective, alpha: Double, isStatic: Bool) -> any Objective {
    TokenRewardRegularized(base, alpha: alpha, isStatic: isStatic)
  }

  private static var known: String { names.joined(separator: ", ") }
}
