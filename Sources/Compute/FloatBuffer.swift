import CKernels

#if canImport(Glibc)
  import Glibc
#endif

/// Owned fp32 memory, aligned to a cache line and zero when made.
///
/// A class, since parameters, gradients and activations are shared by identity. Not synchronised: the
/// thread pool's barriers order reads and writes.
package final class FloatBuffer: @unchecked Sendable {
  package let pointer: UnsafeMutablePointer<Float>
  package let count: Int

  /// - Precondition: `count` is not negative and the system has the memory.
  package init(count: Int) {
    precondition(count >= 0, "a buffer of \(count) floats")
    // Whole huge pages for large buffers: their faults and TLB misses are what big models feel.
    let alignment = count >= 1 << 20 ? 1 << 21 : 64
    let bytes = max(count * MemoryLayout<Float>.stride, 64)
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, alignment, bytes) == 0, let memory else {
      preconditionFailure("no memory for \(bytes) bytes")
    }
    if alignment > 64 { _ = madvise(memory, bytes, MADV_HUGEPAGE) }
    memset(memory, 0, bytes)
    pointer = memory.assumingMemoryBound(to: Float.self)
    self.count = count
  }

  deinit { free(pointer) }

  package var all: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }

  /// The floats of a range. - Precondition: the range lies inside the buffer.
  package func slice(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(range) outside a buffer of \(count)")
    return UnsafeMutableBufferPointer(start: pointer + range.lowerBound, count: range.count)
  }

  package func clear() { memset(pointer, 0, count * MemoryLayout<Float>.stride) }

  package func copy(from other: FloatBuffer) {
    precondition(count == other.count, "copying \(other.count) floats into \(count)")
    memcpy(pointer, other.pointer, count * MemoryLayout<Float>.stride)
  }
}

/// A buffer that grows to what is asked of it and never shrinks, so that steps after the largest allocate nothing.
package struct Scratch {
  private var buffer = FloatBuffer(count: 0)

  package init() {}

  /// Makes room for `count` floats. What was in the buffer is lost when it grows.
  package mutating func reserve(_ count: Int) -> UnsafeMutablePointer<Float> {
    if count > buffer.count {
      // The old room goes first, so that the two never stand side by side.
      buffer = FloatBuffer(count: 0)
      buffer = FloatBuffer(count: count + count / 16)
    }
    return buffer.pointer
  }

  package var pointer: UnsafeMutablePointer<Float> { buffer.pointer }
  package var count: Int { buffer.count }
}
