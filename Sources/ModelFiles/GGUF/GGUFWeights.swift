import RunFolder

/// A GGUF file's tensors under their Hugging Face names and in the layout that those weights have.
///
/// The converter that writes GGUF files reorders the rows of query and key projections of Llama models so that rotated pairs
/// are neighbours; Hugging Face keeps the first and second half of a head apart. Row `2 i + s` of a head in the file is
/// row `s · d/2 + i` here.
package final class GGUFWeights: WeightSource {
  private let file: GGUFFile
  /// The file's name of each Hugging Face name.
  private let originals: [String: String]
  /// Rows of a head for tensors whose rows must be put back in order.
  private let headDimension: Int?
  package let names: [String]

  init(_ file: GGUFFile, architecture: String, headDimension: Int) {
    self.file = file
    self.headDimension = architecture == "llama" ? headDimension : nil
    var originals: [String: String] = [:]
    for name in file.names { originals[Self.huggingFaceName(name)] = name }
    self.originals = originals
    names = originals.keys.sorted()
  }

  package var place: String { file.place }
  package var files: [String] { file.files }

  package func shape(of name: String) -> [Int]? { originals[name].flatMap(file.shape(of:)) }

  package func storedType(of name: String) -> String? { originals[name].flatMap(file.storedType(of:)) }

  package func requireReadable(_ name: String) throws {
    guard let original = originals[name] else { preconditionFailure("no tensor named \(name)") }
    try file.requireReadable(original)
  }

  package func read(_ name: String, into values: inout MutableSpan<Float>) throws {
    guard let original = originals[name], let shape = file.shape(of: original) else {
      preconditionFailure("no tensor named \(name)")
    }
    guard let headDimension, Self.isPermuted(original) else { return try file.read(original, into: &values) }
    guard shape[0] % headDimension == 0 else {
      throw TregError.badData(
        at: place, "tensor \(original) has \(shape[0]) rows, expected a multiple of the head's \(headDimension)")
    }
    let stored = try file.values(of: original)
    let rowLength = stored.count / max(shape[0], 1)
    let half = headDimension / 2
    values.withUnsafeMutableBufferPointer { target in
      stored.withUnsafeBufferPointer { source in
        for row in 0..<shape[0] {
          let (head, inHead) = row.quotientAndRemainder(dividingBy: headDimension)
          let from = head * headDimension + 2 * (inHead % half) + inHead / half
          _ = UnsafeMutableBufferPointer(rebasing: target[(row * rowLength)..<((row + 1) * rowLength)])
            .update(fromContentsOf: source[(from * rowLength)..<((from + 1) * rowLength)])
        }
      }
    }
  }

  private static func isPermuted(_ name: String) -> Bool {
    guard name.hasPrefix("blk.") else { return false }
    return [".attn_q.weight", ".attn_k.weight", ".attn_q.bias", ".attn_k.bias"].contains { name.hasSuffix($0) }
  }

  /// `blk.3.ffn_gate.weight` → `model.layers.3.mlp.gate_proj.weight`; names without a counterpart stay.
  static func huggingFaceName(_ name: String) -> String {
    if let whole = topLevel[name] { return whole }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "blk", let layer = Int(parts[1]), layer >= 0,
      parts[3] == "weight" || parts[3] == "bias", let module = modules[String(parts[2])]
    else { return name }
    return "model.layers.\(layer).\(module).\(parts[3])"
  }

  private static let topLevel = [
    "token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
  ]

  private static let modules = [
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
  ]
}
