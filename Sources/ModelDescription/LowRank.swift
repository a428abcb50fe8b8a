import RunFolder

/// Low-rank adaptation (arXiv 2106.09685): projections W become W + s·B·A, and only A and B train.
package struct LowRank: Sendable, Hashable {
  /// r, rows of A and columns of B.
  package var rank: Int
  package var alpha: Double
  /// s is α/√r instead of α/r (rsLoRA).
  package var usesRootScaling: Bool
  /// Last parts of the adapted modules' names, such as `q_proj`; `all-linear` means every projection but the output.
  package var targets: [String]

  package init(rank: Int, alpha: Double, usesRootScaling: Bool = false, targets: [String]) {
    precondition(rank > 0, "an adapter has a rank")
    self.rank = rank
    self.alpha = alpha
    self.usesRootScaling = usesRootScaling
    self.targets = targets
  }

  /// s.
  package var scale: Double { alpha / (usesRootScaling ? Double(rank).squareRoot() : Double(rank)) }

  package static let allLinear = "all-linear"

  /// What PEFT adapts when nothing is said.
  package static func standardTargets(of model: ModelDescription) -> [String] {
    switch model.naming {
    case .separate: ["q_proj", "v_proj"]
    case .fused: ["qkv_proj"]
    case .gpt2: ["c_attn"]
    }
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
    /// A, `[r, inputs]`, and B, `[outputs, r]`.
    package let a, b: Parameter
  }

  package let description: LowRank
  package let projections: [Projection]
  package let bufferCount: Int

  /// A and B of every projection, in the order of the buffer.
  package var parameters: [Parameter] { projections.flatMap { [$0.a, $0.b] } }
  package var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

  /// Elements of a token that the backward pass of one layer works in: h and dh of its adapted projections.
  package var backwardPerToken: Int {
    2 * description.rank * (Dictionary(grouping: projections, by: \.layer).values.map(\.count).max() ?? 0)
  }

  /// - Throws: configuration (78) when a target is none of the model's projections, or the rank passes their size.
  package init(_ description: LowRank, of model: ModelDescription) throws {
    self.description = description
    let roles: [Parameter.Role] = [.mlpOutput, .mlpInput, .attentionOutput, .queryKeyValue]
    let matrices = model.parameters.filter { roles.contains($0.role) }
    func module(_ parameter: Parameter) -> String { String(parameter.name.dropLast(".weight".count)) }
    let known = Set(matrices.map { Self.lastPart(module($0)) })
    for target in description.targets where target != LowRank.allLinear && !known.contains(target) {
      throw TregError.configuration(
        at: "lora_target_modules",
        "\(target) is none of the model's projections: \(known.sorted().joined(separator: ", "))")
    }
    let largest = matrices.map { $0.shape.min()! }.min() ?? 0
    guard description.rank <= largest else {
      throw TregError.configuration(
        at: "lora_r", "\(description.rank) passes \(largest), the smaller side of the model's smallest projection")
    }
    var end = 0
    func place(_ name: String, _ shape: [Int], _ role: Parameter.Role, _ layer: Int?) -> Parameter {
      let offset = (end + Parameter.alignment - 1) / Parameter.alignment * Parameter.alignment
      end = offset + shape[0] * shape[1]
      return Parameter(
        name: name, shape: shape, offset: offset, role: role, layer: layer, isStoredTransposed: false)
    }
    var projections: [Projection] = []
    var blockStart: [Parameter.Role: Int] = [:]
    var blockLayer = -1
    for parameter in matrices {
      if parameter.layer != blockLayer { blockStart = [:] }
      blockLayer = parameter.layer!
      let first = blockStart[parameter.role] ?? 0
      blockStart[parameter.role] = first + parameter.shape[0]
      let name = module(parameter)
      guard description.targets.contains(LowRank.allLinear) || description.targets.contains(Self.lastPart(name)) else {
        continue
      }
      projections.append(
        Projection(
          module: name, layer: blockLayer, role: parameter.role, outputs: first..<first + parameter.shape[0],
          inputs: parameter.shape[1],
          a: place(
            "base_model.model.\(name).lora_A.weight", [description.rank, parameter.shape[1]], .lowRankInput, blockLayer),
          b: place(
            "base_model.model.\(name).lora_B.weight", [parameter.shape[0], description.rank], .lowRankOutput, blockLayer
          )))
    }
    self.projections = projections
    bufferCount = (end + Parameter.alignment - 1) / Parameter.alignment * Parameter.alignment
  }

  private static func lastPart(_ module: String) -> String { String(module.split(separator: ".").last!) }
}

/// The weights that train, told apart from those that do not: gradients, optimizer and checkpoints hold these alone.
package struct TrainedParameters: Sendable, Hashable {
  /// In the order of their flat buffer, which is that in which the backward pass finishes their gradients.
  package let parameters: [Parameter]
  package let bufferCount: Int

  /// All of a model's, or its adapter's where it has one.
  package init(_ model: ModelDescription, lowRank: LowRankLayout? = nil) {
    parameters = lowRank?.parameters ?? model.parameters
    bufferCount = lowRank?.bufferCount ?? model.bufferCount
  }

  package var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }
}
