import CKernels

/// How memory holds a weight. Products are fp32 with all of them.
package enum WeightType: String, Sendable, CaseIterable {
  case float32, bfloat16, float16

  package var byteCount: Int { self == .float32 ? 4 : 2 }

  /// Of the types of two bytes.
  var kernelType: tk_number { self == .float16 ? TK_FLOAT16 : TK_BFLOAT16 }
}

/// A model's weights in one flat buffer, as fp32 numbers or in two bytes each.
///
/// A class, since layers and optimizer share it by identity. Not synchronised: the thread pool's barriers order reads and
/// writes.
package final class WeightBuffer: @unchecked Sendable {
  package let type: WeightType
  package let count: Int
  /// Two numbers of two bytes stand in the place of one float.
  private let memory: FloatBuffer

  /// All zero.
  package init(count: Int, type: WeightType) {
    self.type = type
    self.count = count
    memory = FloatBuffer(count: type == .float32 ? count : (count + 1) / 2)
  }

  /// fp32 weights that are there already; no copy is made.
  package init(_ floats: FloatBuffer) {
    type = .float32
    count = floats.count
    memory = floats
  }

  /// The numbers themselves where they are fp32.
  package var floats: FloatBuffer? { type == .float32 ? memory : nil }

  /// The numbers of two bytes. - Precondition: they are.
  package var halves: UnsafeMutableBufferPointer<UInt16> {
    precondition(type != .float32, "weights of four bytes")
    return UnsafeMutableBufferPointer(
      start: UnsafeMutableRawPointer(memory.pointer).assumingMemoryBound(to: UInt16.self), count: count)
  }

  /// values = the weights from `first` on, in fp32, exactly.
  package func read(from first: Int, count: Int, into values: UnsafeMutablePointer<Float>) {
    precondition(first >= 0 && count >= 0 && first + count <= self.count, "weights outside the buffer")
    if type == .float32 {
      values.update(from: memory.pointer + first, count: count)
    } else if count > 0 {
      tk_widen(values, halves.baseAddress! + first, Int64(count), type.kernelType)
    }
  }

  /// The weights from `first` on = values, rounded to the nearest, ties to even.
  ///
  /// - Returns: whether all are finite afterwards; a number too large for the type becomes an infinity.
  package func write(_ values: UnsafePointer<Float>, count: Int, to first: Int) -> Bool {
    precondition(first >= 0 && count >= 0 && first + count <= self.count, "weights outside the buffer")
    guard count > 0 else { return true }
    if type == .float32 {
      (memory.pointer + first).update(from: values, count: count)
      return tk_all_finite(values, Int64(count))
    }
    return tk_narrow(halves.baseAddress! + first, values, Int64(count), type.kernelType)
  }
}
