import RunFolder

/// The names an objective is selected by, and how it is made from options.
struct ObjectiveRegistration: Sendable {
  /// The first name is the one that lists show; the others are accepted too.
  let names: [String]
  let make: @Sendable (ObjectiveOptions) throws -> any MarginObjective

  init(names: [String], make: @escaping @Sendable (ObjectiveOptions) throws -> any MarginObjective) {
    self.names = names
    self.make = make
  }
}

/// Every objective by name. A new one is one file with a registration, and its line here.
package enum ObjectiveRegistry {
  static let registrations: [ObjectiveRegistration] = [
    DPO.registration,
    SimPO.registration,
  ]

  /// All accepted values of `loss_type`.
  package static var names: [String] { registrations.flatMap(\.names) }

  /// The objective that a configuration asks for.
  ///
  /// - Parameters:
  ///   - lossTypes: `loss_type`; several are summed.
  ///   - weights: `loss_weights`, one for each of `lossTypes`; nil counts every one 1.
  ///   - options: with `tregAlpha` above 0, T-REG is added to each.
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
    let terms = try zip(lossTypes, weights).map { (try single($0, options: options), $1) }
    if terms.count == 1, terms[0].1 == 1 { return terms[0].0 }
    return WeightedSum(terms.map { (objective: $0.0, weight: $0.1) })
  }

  private static func single(_ lossType: String, options: ObjectiveOptions) throws -> any Objective {
    guard let registration = registrations.first(where: { $0.names.contains(lossType) }) else {
      throw TregError.configuration(at: "loss_type", "unknown objective \"\(lossType)\"; expected one of \(known)")
    }
    let base = try registration.make(options)
    let alpha = try options.checkedTregAlpha()
    return alpha == 0 ? base : regularized(base, alpha: alpha)
  }

  private static func regularized(_ base: some MarginObjective, alpha: Double) -> any Objective {
    TokenRewardRegularized(base, alpha: alpha)
  }

  private static var known: String { names.joined(separator: ", ") }
}
