/// Writes small GGUF files, version 3, for tests: what is said here is what stands in the file.
struct GGUFBuilder {
  enum Value {
    case integer(UInt32)
    case number(Float)
    case bool(Bool)
    case string(String)
    case strings([String])
    case integers([Int32])
    case numbers([Float])
  }

  var metadata: [String: Value] = [:]
  /// Shapes rows first, values as fp32.
  var tensors: [String: (shape: [Int], values: [Float])] = [:]
  /// Tensors of any type: code, shape rows first, and the bytes that stand in the file.
  var stored: [String: (code: UInt32, shape: [Int], bytes: [UInt8])] = [:]

  func bytes() -> [UInt8] {
    var output: [UInt8] = Array("GGUF".utf8)
    func put<Number: FixedWidthInteger>(_ number: Number) {
      withUnsafeBytes(of: number.littleEndian) { output += Array($0) }
    }
    func put(_ text: String) {
      put(UInt64(text.utf8.count))
      output += Array(text.utf8)
    }
    put(UInt32(3))
    put(UInt64(tensors.count + stored.count))
    put(UInt64(metadata.count))
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      put(key)
      switch value {
      case .integer(let integer):
        put(UInt32(4))
        put(integer)
      case .number(let number):
        put(UInt32(6))
        put(number.bitPattern)
      case .bool(let bool):
        put(UInt32(7))
        put(UInt8(bool ? 1 : 0))
      case .string(let string):
        put(UInt32(8))
        put(string)
      case .strings(let list):
        put(UInt32(9))
        put(UInt32(8))
        put(UInt64(list.count))
        for item in list { put(item) }
      case .integers(let list):
        put(UInt32(9))
        put(UInt32(5))
        put(UInt64(list.count))
        for item in list { put(item) }
      case .numbers(let list):
        put(UInt32(9))
        put(UInt32(6))
        put(UInt64(list.count))
        for item in list { put(item.bitPattern) }
      }
    }
    var data: [UInt8] = []
    let all = stored.merging(
      tensors.mapValues { (code: 0, shape: $0.shape, bytes: $0.values.withUnsafeBytes { Array($0) }) }
    ) { $1 }
    for (name, tensor) in all.sorted(by: { $0.key < $1.key }) {
      put(name)
      put(UInt32(tensor.shape.count))
      for dimension in tensor.shape.reversed() { put(UInt64(dimension)) }
      put(tensor.code)
      put(UInt64(data.count))
      data += tensor.bytes
      data += Array(repeating: 0, count: (32 - data.count % 32) % 32)
    }
    output += Array(repeating: 0, count: (32 - output.count % 32) % 32)
    return output + data
  }

  /// A model of one layer with two heads of four elements; row r of every matrix starts with the number r.
  static func model(_ architecture: String, pre: String) -> GGUFBuilder {
    var file = GGUFBuilder()
    for (key, value) in [
      "context_length": 64, "embedding_length": 8, "block_count": 1, "feed_forward_length": 6,
      "attention.head_count": 2,
      "attention.head_count_kv": 1, "rope.dimension_count": 4,
    ] as [String: UInt32] { file.metadata["\(architecture).\(key)"] = .integer(value) }
    file.metadata["\(architecture).attention.layer_norm_rms_epsilon"] = .number(1e-6)
    file.metadata["general.architecture"] = .string(architecture)
    file.metadata["tokenizer.ggml.model"] = .string("gpt2")
    file.metadata["tokenizer.ggml.pre"] = .string(pre)
    file.metadata["tokenizer.ggml.tokens"] = .strings(["<b>", "<e>", "a", "b", "ab"])
    file.metadata["tokenizer.ggml.token_type"] = .integers([3, 4, 1, 1, 1])
    file.metadata["tokenizer.ggml.merges"] = .strings(["a b"])
    file.metadata["tokenizer.ggml.bos_token_id"] = .integer(0)
    file.metadata["tokenizer.ggml.eos_token_id"] = .integer(1)
    for (name, shape) in [
      "token_embd.weight": [5, 8], "output_norm.weight": [8], "blk.0.attn_norm.weight": [8],
      "blk.0.ffn_norm.weight": [8],
      "blk.0.attn_q.weight": [8, 8], "blk.0.attn_k.weight": [4, 8], "blk.0.attn_v.weight": [4, 8],
      "blk.0.attn_output.weight": [8, 8], "blk.0.ffn_gate.weight": [6, 8], "blk.0.ffn_up.weight": [6, 8],
      "blk.0.ffn_down.weight": [8, 6],
    ] { file.set(name, shape) }
    return file
  }

  mutating func set(_ name: String, _ shape: [Int]) {
    let columns = shape.count > 1 ? shape[1] : 1
    tensors[name] = (shape, (0..<shape.reduce(1, *)).map { Float($0 / columns) + Float($0 % columns) / 16 })
  }
}
