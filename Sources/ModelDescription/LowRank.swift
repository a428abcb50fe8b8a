import RunFolder

/// Low-rank adaptation (arXiv 2106.09685) as a run asks for it: projections W become W + s·B·A, and only A and B train.
package struct LowRank: Sendable, Hashable {
  /// r, rows of A and columns of B.
  package var rank: Int
  package var alpha: Double
  /// s is α/√r instead of α/r (rsLoRA).
  package var usesRootScaling: Bool
  /// Names of the adapted modules or their last parts, such as `q_proj` or `attn.c_proj`; `all-linear` means every
  /// projection but the output.
  package var targets: [String]

  package init(rank: Int, alpha: Double, usesRootScaling: Bool = false, targets: [String]) {
    precondition(rank > 0, "an adapter has a rank")
    self.rank = rank
    self.alpha = alpha
    self.usesRootScaling = usesRootScaling
    self.targets = targets
  }

  package static let allLinear = "all-linear"

  /// What PEFT adapts when nothing is said.
  package static func standardTargets(of model: ModelDescription) -> [String] {
    switch model.naming {
    case .separate: ["q_proj", "v_proj"]
    case .fused: ["qkv_proj"]
    case .gpt2: ["c_attn"]
    }
  }

  /// Whether a module is meant by a target: by its whole name or by its last parts, as in PEFT.
  package static func names(_ target: String, _ module: String) -> Bool {
    target == allLinear || module == target || module.hasSuffix("." + target)
  }
}

/// The tensors that low-rank adaptation adds to a model, in a flat buffer of their own: layers L−1 … 0, as the model's.
package struct LowRankLayout: Sendable, Hashable {
  /// One adapted projection of one layer.
  package struct Projection: Sendable, Hashable {
    /// Name in the model, such as `model.layers.3.self_attn.q_proj`.
    package let module: String
    package let layer: Int
    /// The product that it is part of.
    package let role: Parameter.Role
    /// Where its outputs stand among those of the product.
    package let outputs: Range<Int>
    package let inputs: Int
    package let rank: Int
    package let alpha: Double
    /// s.
    package let scale: Double
    /// A, `[r, inputs]`, and B, `[outputs, r]`.
    package let a, b: Parameter
  }

  /// s is α/√r instead of α/r.
  package let usesRootScaling: Bool
  package let projections: [Projection]
  package let bufferCount: Int

  /// A and B of every projection, in the order of the buffer.
  package var parameters: [Parameter] { projections.flatMap { [$0.a, $0.b] } }
  package var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }
  package var largestRank: Int { projections.map(\.rank).max() ?? 0 }
  /// The rank, or the least and the largest.
  package var rankText: String {
    let least = projections.map(\.rank).min() ?? 0
    return least == largestRank ? "\(least)" : "\(least) to \(largestRank)"
  }

  /// Elements of a token that the backward pass of one layer works in: h and dh of its adapted projections.
  package var backwardPerToken: Int {
    2 * (Dictionary(grouping: projections, by: \.layer).values.map { $0.reduce(0) { $0 + $1.rank } }.max() ?? 0)
  }

  /// - Throws: configuration (78) when a target is none of the model's projections, or the rank passes their size.
  package init(_ request: LowRank, of model: ModelDescription) throws {
    let matrices = Self.matrices(of: model)
    for target in request.targets where !matrices.contains(where: { LowRank.names(target, Self.module($0)) }) {
      let known = Set(matrices.map { String(Self.module($0).split(separator: ".").last!) }).sorted()
      throw TregError.configuration(
        at: "lora_target_modules",
        "\(target) is none of the model's projections: \(known.joined(separator: ", "))")
    }
    let largest = matrices.map { $0.shape.min()! }.min() ?? 0
    guard request.rank <= largest else {
      throw TregError.configuration(
        at: "lora_r", "\(request.rank) passes \(largest), the smaller side of the model's smallest projection")
    }
    self.init(of: model, usesRootScaling: request.usesRootScaling) { module in
      request.targets.contains { LowRank.names($0, module) } ? (request.rank, request.alpha) : nil
    }
  }

  /// - Parameter choosing: rank and α of a module; nil where it has no adapter.
  package init(
    of model: ModelDescription, usesRootScaling: Bool, choosing: (String) -> (rank: Int, alpha: Double)?
  ) {
    self.usesRootScaling = usesRootScaling
    var end = 0
    func place(_ name: String, _ shape: [Int], _ role: Parameter.Role, _ layer: Int?) -> Parameter {
      let offset = Parameter.aligned(end)
      end = offset + shape[0] * shape[1]
      return Parameter(
        name: name, shape: shape, offset: offset, role: role, layer: layer, isStoredTransposed: false)
    }
    var projections: [Projection] = []
    var blockStart: [Parameter.Role: Int] = [:]
    var blockLayer = -1
    for parameter in Self.matrices(of: model) {
      if parameter.layer != blockLayer { blockStart = [:] }
      blockLayer = parameter.layer!
      let first = blockStart[parameter.role] ?? 0
      blockStart[parameter.role] = first + parameter.shape[0]
      let name = Self.module(parameter)
      guard let (rank, alpha) = choosing(name) else { continue }
      let (outputs, inputs) = (parameter.shape[0], parameter.shape[1])
      projections.append(
        Projection(
          module: name, layer: blockLayer, role: parameter.role, outputs: first..<first + outputs, inputs: inputs,
          rank: rank, alpha: alpha, scale: alpha / (usesRootScaling ? Double(rank).squareRoot() : Double(rank)),
          a: place("base_model.model.\(name).lora_A.weight", [rank, inputs], .lowRankInput, blockLayer),
          b: place("base_model.model.\(name).lora_B.weight", [outputs, rank], .lowRankOutput, blockLayer)))
    }
    self.projections = projections
    bufferCount = Parameter.aligned(end)
  }

  /// What can be adapted, in the order of the flat buffer.
  private static func matrices(of model: ModelDescription) -> [Parameter] {
    let roles: [Parameter.Role] = [.mlpOutput, .mlpInput, .attentionOutput, .queryKeyValue]
    return model.parameters.filter { roles.contains($0.role) }
  }

  private static func module(_ parameter: Parameter) -> String { String(parameter.name.dropLast(".weight".count)) }
}
