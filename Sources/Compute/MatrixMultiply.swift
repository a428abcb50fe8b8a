import CBLAS
import CKernels
import CPulse

#if canImport(Glibc)
  import Glibc
#endif

/// Matrix products on one thread, row-major. Legend: T rows, N outputs, K inputs.
///
/// By kernels of our own on a CPU with AVX2, where they are faster at a training step's shapes than OpenBLAS, which packs
/// the weights anew in every call; by the BLAS that is linked everywhere else.
package enum MatrixMultiply {
  package enum Kernels: String, Sendable {
    case own, blas
  }

  /// What makes the products of this process. `TREG_PRODUCTS=blas` keeps to the BLAS, for comparisons.
  package static let kernels: Kernels =
    tk_gemm_is_supported() && getenv("TREG_PRODUCTS").map { String(cString: $0) } != "blas" ? .own : .blas

  /// The linked BLAS with its version, its build, and the kernels that it chose for this CPU.
  package static var libraryName: String {
    let build = String(cString: openblas_get_config()).split(separator: " ").joined(separator: " ")
    return "\(build), kernels for \(String(cString: openblas_get_corename()))"
  }

  /// y[T,N] = x[T,K] · w[N,K]ᵀ, added to y when `accumulate`. The forward of a linear layer.
  @inline(__always)
  package static func forward(
    y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, w: UnsafePointer<Float>, rows: Int, outputs: Int,
    inputs: Int, yStride: Int? = nil, xStride: Int? = nil, wStride: Int? = nil, accumulate: Bool = false,
    by kernels: Kernels = Self.kernels
  ) {
    if kernels == .own {
      return tk_gemm_nt(
        y, Int64(yStride ?? outputs), x, Int64(xStride ?? inputs), w, Int64(wStride ?? inputs), Int64(rows),
        Int64(outputs), Int64(inputs), accumulate)
    }
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, blasint(rows), blasint(outputs), blasint(inputs), 1, x,
      blasint(xStride ?? inputs), w, blasint(wStride ?? inputs), accumulate ? 1 : 0, y, blasint(yStride ?? outputs))
    beat(rows, outputs, inputs)
  }

  /// dx[T,K] = dy[T,N] · w[N,K], added to dx when `accumulate`. The gradient of a linear layer's input.
  @inline(__always)
  package static func backwardInput(
    dx: UnsafeMutablePointer<Float>, dy: UnsafePointer<Float>, w: UnsafePointer<Float>, rows: Int, outputs: Int,
    inputs: Int, dxStride: Int? = nil, dyStride: Int? = nil, wStride: Int? = nil, accumulate: Bool = false,
    by kernels: Kernels = Self.kernels
  ) {
    if kernels == .own {
      return tk_gemm_nn(
        dx, Int64(dxStride ?? inputs), dy, Int64(dyStride ?? outputs), w, Int64(wStride ?? inputs), Int64(rows),
        Int64(outputs), Int64(inputs), accumulate)
    }
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(rows), blasint(inputs), blasint(outputs), 1, dy,
      blasint(dyStride ?? outputs), w, blasint(wStride ?? inputs), accumulate ? 1 : 0, dx, blasint(dxStride ?? inputs))
    beat(rows, outputs, inputs)
  }

  /// dw[N,K] += dy[T,N]ᵀ · x[T,K]. The gradient of a linear layer's weight.
  @inline(__always)
  package static func backwardWeight(
    dw: UnsafeMutablePointer<Float>, dy: UnsafePointer<Float>, x: UnsafePointer<Float>, rows: Int, outputs: Int,
    inputs: Int, dwStride: Int? = nil, dyStride: Int? = nil, xStride: Int? = nil,
    by kernels: Kernels = Self.kernels
  ) {
    if kernels == .own {
      return tk_gemm_tn(
        dw, Int64(dwStride ?? inputs), dy, Int64(dyStride ?? outputs), x, Int64(xStride ?? inputs), Int64(rows),
        Int64(outputs), Int64(inputs))
    }
    cblas_sgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, blasint(outputs), blasint(inputs), blasint(rows), 1, dy,
      blasint(dyStride ?? outputs), x, blasint(xStride ?? inputs), 1, dw, blasint(dwStride ?? inputs))
    beat(rows, outputs, inputs)
  }

  /// A sign of life after a large product of the BLAS: an item of the pool may hold several of them, each of seconds. Small
  /// ones give none, since threads would contend for the counter. Our own kernels give theirs inside (`gemm.c`).
  @inline(__always)
  private static func beat(_ rows: Int, _ outputs: Int, _ inputs: Int) {
    if rows * outputs * inputs >= TK_BEAT_PRODUCTS { pulse_beat() }
  }
}
