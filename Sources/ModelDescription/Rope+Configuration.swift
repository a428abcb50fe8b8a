import OrderedJSON
import RunFolder

extension ConfigurationReader {
  /// Whether `rope_parameters` holds one object per layer type.
  var nestsRopes: Bool {
    guard let value = object["rope_parameters"] else { return false }
    return value["full_attention"] != nil || value["sliding_attention"] != nil
  }

  /// `rope_parameters` (transformers 5) or `rope_scaling` (transformers 4), of one layer type where they differ. Of both the
  /// old one counts, unless it is empty.
  func ropeObject(layerType: String?) -> (key: String, value: JSONValue)? {
    if nestsRopes, let layerType {
      guard let value = object["rope_parameters"]?[layerType], !value.isNull else { return nil }
      return ("rope_parameters.\(layerType)", value)
    }
    for key in ["rope_scaling", "rope_parameters"] {
      if let value = object[key], !value.isNull, value.object?.isEmpty != true { return (key, value) }
    }
    return nil
  }

  /// Elements of a head that are rotated: all of them, but for `partial_rotary_factor`.
  func rotaryDimension(of headDimension: Int) throws -> Int {
    var share = try optionalNumber("partial_rotary_factor") ?? 1
    if let (key, value) = ropeObject(layerType: nil), case .object = value {
      let reader = ConfigurationReader(object: value, place: place, prefix: "\(key).")
      share = try reader.optionalNumber("partial_rotary_factor") ?? share
    }
    let dimension = Int(Double(headDimension) * min(share, 2))
    guard share <= 1, dimension >= 2, dimension % 2 == 0 else {
      throw failure(
        share == 1 ? "head_dim" : "partial_rotary_factor",
        "leaves \(dimension) of \(headDimension) elements of a head to rotate; an even number is needed")
    }
    return dimension
  }

  /// A list of as many positive numbers as pairs are rotated.
  fileprivate func factors(_ key: String, count: Int) throws -> [Float] {
    guard let value = value(key) else { throw failure(key, "is missing") }
    let factors = (value.array ?? []).compactMap(\.double).filter { $0.isFinite && $0 > 0 }
    guard factors.count == count, value.array?.count == count else {
      throw failure(key, "must list \(count) positive numbers, found \(Self.text(value))")
    }
    return factors.map { Float($0) }
  }
}

extension Rope {
  /// A length in whole tokens; no text is longer than 2^40.
  static func tokens(_ length: Double) -> Int { Int(min(length, 0x1p40)) }

  /// Reads the rotary embedding of all layers, or of those of one type.
  ///
  /// - Parameters:
  ///   - standardTheta: what transformers takes for a file that does not say.
  ///   - maximumLength: `max_position_embeddings`.
  ///   - dimension: elements that are rotated.
  init(
    _ top: ConfigurationReader, layerType: String? = nil, standardTheta: Double, maximumLength: Int, dimension: Int
  ) throws {
    let isLocal = layerType == "sliding_attention"
    // Files of transformers 4 mean the layers that see everything.
    var theta = isLocal ? nil : try top.optionalNumber("rope_theta")
    guard !isLocal || top.nestsRopes, let (key, object) = top.ropeObject(layerType: layerType) else {
      self.init(theta: theta ?? standardTheta)
      return
    }
    guard case .object = object else { throw top.failure(key, "must be an object, found \(object.kind)") }
    let reader = ConfigurationReader(object: object, place: top.place, prefix: "\(key).")
    theta = try reader.optionalNumber("rope_theta") ?? theta
    // "type" is the name that files before transformers 4.45 used.
    var kind = try reader.optionalString("rope_type") ?? reader.optionalString("type") ?? "default"
    // Early Phi 3 files say "su", and "yarn" for what never was YaRN.
    if kind == "su" || (kind == "yarn" && reader.value("long_factor") != nil) { kind = "longrope" }
    let original =
      try top.optionalNumber("original_max_position_embeddings")
      ?? reader.optionalNumber("original_max_position_embeddings") ?? Double(maximumLength)
    let scaling: Scaling
    switch kind {
    case "default": scaling = .none
    case "linear": scaling = .linear(factor: try reader.number("factor"))
    case "dynamic":
      guard dimension > 2 else { throw reader.failure("rope_type", "dynamic needs more than 2 rotated elements") }
      scaling = .dynamic(factor: try reader.number("factor"), trainedLength: maximumLength)
    case "llama3":
      let low = try reader.number("low_freq_factor")
      let high = try reader.number("high_freq_factor")
      guard high > low else {
        throw reader.failure("high_freq_factor", "(\(high)) must be above low_freq_factor (\(low))")
      }
      scaling = .llama3(
        factor: try reader.number("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
        originalLength: original)
    case "yarn": scaling = .yarn(try YaRN(reader, originalLength: original, maximumLength: maximumLength))
    case "longrope":
      let factor = try reader.optionalNumber("factor") ?? Double(maximumLength) / original
      scaling = .longrope(
        short: try reader.factors("short_factor", count: dimension / 2),
        long: try reader.factors("long_factor", count: dimension / 2), originalLength: Self.tokens(original),
        attentionFactor: try reader.optionalNumber("attention_factor")
          ?? Self.longropeAttentionFactor(factor, originalLength: original))
    default:
      throw reader.failure(
        "rope_type", "is \(kind), which is not supported; known are default, dynamic, linear, llama3, longrope, yarn")
    }
    self.init(theta: theta ?? standardTheta, scaling: scaling)
  }
}

extension Rope.YaRN {
  init(_ reader: ConfigurationReader, originalLength: Double, maximumLength: Int) throws {
    factor = try reader.optionalNumber("factor") ?? Double(maximumLength) / originalLength
    self.originalLength = originalLength
    fast = try reader.optionalNumber("beta_fast") ?? 32
    slow = try reader.optionalNumber("beta_slow") ?? 1
    truncates = try reader.flag("truncate", default: true)
    if let given = try reader.optionalNumber("attention_factor") {
      attentionFactor = given
    } else if let scale = try reader.optionalNumber("mscale"),
      let whole = try reader.optionalNumber("mscale_all_dim")
    {
      attentionFactor =
        Self.standardAttentionFactor(factor, scale: scale) / Self.standardAttentionFactor(factor, scale: whole)
    } else {
      attentionFactor = Self.standardAttentionFactor(factor)
    }
  }
}
