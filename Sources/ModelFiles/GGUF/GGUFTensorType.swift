// Named as ggml names them.
// swift-format-ignore: AlwaysUseLowerCamelCase
/// How a GGUF file stores a tensor: numbers one by one, or blocks of them that share scales.
///
/// Codes, block lengths and sizes are those of `ggml.h`; all types that this program expands are here.
package enum GGUFTensorType: UInt32, Sendable, CaseIterable {
  case f32 = 0
  case f16 = 1
  case q4_0 = 2
  case q4_1 = 3
  case q5_0 = 6
  case q5_1 = 7
  case q8_0 = 8
  case q2_K = 10
  case q3_K = 11
  case q4_K = 12
  case q5_K = 13
  case q6_K = 14
  case iq4_NL = 20
  case iq4_XS = 23
  case f64 = 28
  case bf16 = 30
  case tq1_0 = 34
  case tq2_0 = 35
  case mxfp4 = 39
  case nvfp4 = 40

  /// Numbers in a block.
  var blockCount: Int {
    switch self {
    case .f32, .f16, .bf16, .f64: 1
    case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_NL, .mxfp4: 32
    case .nvfp4: 64
    case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_XS, .tq1_0, .tq2_0: 256
    }
  }

  /// Bytes of a block.
  var blockSize: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .f64: 8
    case .q4_0, .iq4_NL: 2 + 16
    case .q4_1: 4 + 16
    case .q5_0: 2 + 4 + 16
    case .q5_1: 4 + 4 + 16
    case .q8_0: 2 + 32
    case .mxfp4: 1 + 16
    case .nvfp4: 4 + 32
    case .q2_K: 16 + 64 + 4
    case .q3_K: 32 + 64 + 12 + 2
    case .q4_K: 4 + 12 + 128
    case .q5_K: 4 + 12 + 32 + 128
    case .q6_K: 128 + 64 + 16 + 2
    case .iq4_XS: 2 + 2 + 4 + 128
    case .tq1_0: 48 + 4 + 2
    case .tq2_0: 64 + 2
    }
  }

  /// The type's name in `ggml.h`, for messages; also of types that cannot be read.
  package static func name(of code: UInt32) -> String {
    names[code] ?? "type \(code)"
  }

  /// Why a type is not read and what to do, for messages.
  static func refusal(of code: UInt32) -> String {
    switch code {
    case 16, 17, 18, 19, 21, 22, 29:
      "whose code books this program does not have; requantise the model to one of Q2_K to Q8_0, IQ4_XS or IQ4_NL"
    case 24, 25, 26, 27: "whole numbers, which are no weights"
    case 9, 15: "a type for intermediate results, not for files"
    default: "which is not supported; known are \(knownNames)"
    }
  }

  static let knownNames = allCases.map { name(of: $0.rawValue) }.joined(separator: ", ")

  private static let names: [UInt32: String] = [
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
    12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0",
  ]
}
