import ModelDescription
import OrderedJSON
import RunFolder

extension GGUFConfiguration {
  /// Base and scaling of rotary positions, as transformers 4 and 5 both read them.
  mutating func addRope() throws {
    let rotated = try file.integer(key("rope.dimension_count")) ?? headDimension
    guard name == "phi3" || rotated == headDimension, rotated >= 2, rotated % 2 == 0, rotated <= headDimension else {
      throw file.failure("metadata \(key("rope.dimension_count")) is \(rotated), expected the head's \(headDimension)")
    }
    let theta = try file.number(key("rope.freq_base")) ?? (name == "gemma3" ? 1_000_000 : 10_000)
    guard theta > 0 else { throw file.failure("metadata \(key("rope.freq_base")) must be positive, found \(theta)") }
    members["rope_theta"] = .number(theta)
    members["rope_scaling"] = try scaling(theta: theta, rotated: rotated)
  }

  private mutating func scaling(theta: Double, rotated: Int) throws -> JSONValue {
    let hasFactors = ["rope_factors_long.weight", "rope_factors_short.weight"].contains { file.shape(of: $0) != nil }
    let kind = try file.string(key("rope.scaling.type"))
    switch kind {
    case "longrope": return try longrope(rotated: rotated)
    case nil where hasFactors: return try longrope(rotated: rotated)
    case nil, "none":
      if kind == nil, let factor = try file.number(key("rope.scale_linear")), factor != 1, factor != 0 {
        return ["factor": .number(factor), "rope_type": "linear"]
      }
      return try llama3(theta: theta, rotated: rotated)
    case "linear":
      let factor = try file.number(key("rope.scaling.factor")) ?? 1
      return factor == 1 || factor == 0 ? .null : ["factor": .number(factor), "rope_type": "linear"]
    case "yarn": return try yarn()
    case let other?: throw file.failure("metadata \(key("rope.scaling.type")) is \(other), which is not supported")
    }
  }

  private func yarn() throws -> JSONValue {
    let factorKey = key("rope.scaling.factor")
    let lengthKey = key("rope.scaling.original_context_length")
    var scaling: JSONObject = [
      "factor": .number(try file.required(file.number(factorKey), factorKey)),
      "original_max_position_embeddings": .integer(try file.required(file.integer(lengthKey), lengthKey)),
      "rope_type": "yarn",
    ]
    for (member, suffix) in [
      ("attention_factor", "yarn_attn_factor"), ("beta_fast", "yarn_beta_fast"), ("beta_slow", "yarn_beta_slow"),
    ] {
      if let value = try file.number(key("rope.scaling.\(suffix)")) { scaling[member] = .number(value) }
    }
    // llama.cpp takes −1 for "as usual".
    for (suffix, usual) in [("yarn_ext_factor", [1.0, -1]), ("attn_factor", [1.0])] {
      if let value = try file.number(key("rope.scaling.\(suffix)")), !usual.contains(value) {
        throw file.failure("metadata \(key("rope.scaling.\(suffix)")) is \(value), which is not supported")
      }
    }
    return .object(scaling)
  }

  /// A factor for every pair, in one tensor for short texts and one for long ones.
  private mutating func longrope(rotated: Int) throws -> JSONValue {
    func factors(_ name: String) throws -> JSONValue {
      guard let shape = file.shape(of: name) else { throw file.failure("tensor \(name) is missing") }
      guard shape == [rotated / 2] else {
        throw file.failure("tensor \(name) has shape \(shape), expected [\(rotated / 2)]")
      }
      // The shortest decimal that reads back as the same 32 bits.
      return .array(try file.values(of: name).map { .number(Double("\($0)") ?? Double($0)) })
    }
    let lengthKey = key("rope.scaling.original_context_length")
    let original = try file.required(file.integer(lengthKey), lengthKey)
    members["original_max_position_embeddings"] = .integer(original)
    var scaling: JSONObject = [
      "long_factor": try factors("rope_factors_long.weight"), "rope_type": "longrope",
      "short_factor": try factors("rope_factors_short.weight"),
    ]
    let length = try file.integer(key("context_length")) ?? original
    let standard = Rope.longropeAttentionFactor(Double(length) / Double(original), originalLength: Double(original))
    if let given = try file.number(key("rope.scaling.attn_factor")), abs(given / standard - 1) > 1e-6 {
      scaling["attention_factor"] = .number(given)
    }
    return .object(scaling)
  }

  /// Llama 3.1 and later hide their scaling in a tensor, by which every frequency is divided.
  private func llama3(theta: Double, rotated: Int) throws -> JSONValue {
    guard file.shape(of: "rope_freqs.weight") != nil else { return .null }
    let divisors = try file.values(of: "rope_freqs.weight")
    if divisors.allSatisfy({ $0 == 1 }) { return .null }
    let factor = Double(divisors.max() ?? 1)
    // Only the factor differs between the released models; the other three are Meta's.
    let scaling = Rope.Scaling.llama3(
      factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalLength: 8192)
    let plain = Rope(theta: theta).inverseFrequencies(headDimension: rotated)
    let scaled = Rope(theta: theta, scaling: scaling).inverseFrequencies(headDimension: rotated)
    guard factor.isFinite, factor > 0, divisors.count == plain.count,
      zip(divisors, zip(plain, scaled)).allSatisfy({ abs($0 * $1.1 / $1.0 - 1) < 1e-4 })
    else {
      throw file.failure("tensor rope_freqs.weight is not the scaling of Llama 3, which is the only one supported")
    }
    return [
      "factor": .number(factor), "high_freq_factor": 4.0, "low_freq_factor": 1.0,
      "original_max_position_embeddings": 8192, "rope_type": "llama3",
    ]
  }
}
