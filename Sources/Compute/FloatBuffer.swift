import CPulse

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
  /// What a large buffer lies in; nil: allocated.
  private let mapping: UnsafeMutableRawBufferPointer?

  /// - Precondition: `count` is not negative and the system has the memory.
  package init(count: Int) {
    precondition(count >= 0, "a buffer of \(count) floats")
    let bytes = max(count * MemoryLayout<Float>.stride, 64)
    self.count = count
    guard bytes >= Self.mappedBytes else {
      var memory: UnsafeMutableRawPointer?
      guard posix_memalign(&memory, 64, bytes) == 0, let memory else {
        preconditionFailure("no memory for \(bytes) bytes")
      }
      memset(memory, 0, bytes)
      mapping = nil
      pointer = memory.assumingMemoryBound(to: Float.self)
      return
    }
    // Mapped pages are zero without being written, so each is first touched by the thread that needs it. Whole huge pages:
    // their faults and TLB misses are what big models feel.
    let length = bytes + Self.hugePage
    let start = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let start, start != MAP_FAILED else { preconditionFailure("no memory for \(bytes) bytes") }
    _ = madvise(start, length, MADV_HUGEPAGE)
    mapping = UnsafeMutableRawBufferPointer(start: start, count: length)
    let place = (Int(bitPattern: start) + Self.hugePage - 1) / Self.hugePage * Self.hugePage
    pointer = UnsafeMutableRawPointer(bitPattern: place)!.assumingMemoryBound(to: Float.self)
  }

  /// Buffers from this size on have a mapping of their own.
  private static let mappedBytes = 4 << 20
  private static let hugePage = 1 << 21

  deinit {
    if let mapping { munmap(mapping.baseAddress, mapping.count) } else { free(pointer) }
  }

  /// Small and varied values, for benchmarks: no denormal number slows a kernel down.
  package convenience init(variedCount count: Int) {
    self.init(count: count)
    for index in 0..<count { pointer[index] = Float(index % 61 - 30) / 64 }
  }

  package var all: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }

  /// The floats of a range. - Precondition: the range lies inside the buffer.
  package func slice(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(range) outside a buffer of \(count)")
    return UnsafeMutableBufferPointer(start: pointer + range.lowerBound, count: range.count)
  }

  package func clear() {
    forEachPiece { first, count in memset(pointer + first, 0, count * MemoryLayout<Float>.stride) }
  }

  package func copy(from other: FloatBuffer) {
    precondition(count == other.count, "copying \(other.count) floats into \(count)")
    forEachPiece { first, count in memcpy(pointer + first, other.pointer + first, count * MemoryLayout<Float>.stride) }
  }

  /// Gives a sign of life after each piece: pages that are touched for the first time take a large model many seconds.
  private func forEachPiece(_ body: (_ first: Int, _ count: Int) -> Void) {
    let piece = 1 << 24
    for first in stride(from: 0, to: count, by: piece) {
      body(first, min(piece, count - first))
      pulse_beat()
    }
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
