import CKernels

/// The one pool of threads of a rank: work is cut into items, and the items are the same for any number of threads.
///
/// GEMM runs single-threaded inside an item: as fast as the BLAS's own threads on products alone, and what surrounds a
/// product runs on all cores too, on values that are still in their caches.
package final class Workers: @unchecked Sendable {
  package let threads: Int
  private let pool: OpaquePointer
  /// Called on the thread that calls ``run(_:_:)``, after each item that it works on: for what has to be looked after
  /// every few milliseconds, and takes less. Must not run items itself.
  package var interlude: (() -> Void)?

  /// - Precondition: `threads` is positive and the system can start that many.
  package init(threads: Int) {
    precondition(threads > 0, "a pool of \(threads) threads")
    tk_single_threaded_blas()
    guard let pool = tk_pool_create(Int32(threads)) else { preconditionFailure("\(threads) threads cannot be started") }
    self.threads = threads
    self.pool = pool
  }

  deinit { tk_pool_destroy(pool) }

  /// Calls `body(item, worker)` for every item below `count`, in any order, and returns when all are done.
  /// `worker` is below ``threads`` and tells scratch memory apart. Not reentrant.
  package func run(_ count: Int, _ body: (_ item: Int, _ worker: Int) -> Void) {
    guard let interlude else { return poolRun(pool, count, body) }
    poolRun(pool, count) { item, worker in
      body(item, worker)
      if worker == 0 { interlude() }
    }
  }
}

/// `tk_pool_run` of CKernels, which knows how Swift hands over a closure. A pass of a model comes here hundreds of times;
/// behind a C pointer the closure, which does not escape, would have to be copied to the heap each time.
@_silgen_name("tk_pool_run")
private func poolRun(_ pool: OpaquePointer, _ count: Int, _ body: (_ item: Int, _ worker: Int) -> Void)

/// `count` things cut into panels of equal size, `limit` at most: a function of `count` alone, so that results do not
/// depend on the number of threads.
package struct Panels {
  package let count: Int
  package let size: Int
  package let total: Int

  /// - Parameter multiple: panels start at multiples of this (GEMM kernels work in blocks of rows).
  package init(_ total: Int, limit: Int, multiple: Int = 8) {
    let wanted = (total + limit - 1) / limit
    // An even number of panels divides well over two threads or more.
    self.init(total, count: wanted > 1 ? (wanted + 1) / 2 * 2 : wanted, multiple: multiple)
  }

  /// So many panels, or fewer where there is not enough for them.
  package init(_ total: Int, count wanted: Int, multiple: Int) {
    let size = wanted == 0 ? multiple : max(((total + wanted - 1) / wanted + multiple - 1) / multiple, 1) * multiple
    self.total = total
    self.size = size
    count = (total + size - 1) / size
  }

  package subscript(index: Int) -> Range<Int> { index * size..<min((index + 1) * size, total) }
}
