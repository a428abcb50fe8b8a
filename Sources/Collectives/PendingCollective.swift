import CMPI
import RunFolder

/// A collective that was begun. Every one must be finished, by `wait()` or by a `test()` that says so, before its
/// buffer is touched or freed and before `finalize()`.
package final class PendingCollective {
  private let communicator: Communicator
  /// nil: done, its memory freed by the shim.
  private var request: OpaquePointer?

  init(_ communicator: Communicator, request: OpaquePointer?) {
    self.communicator = communicator
    self.request = request
  }

  /// Lets MPI work for a moment and says whether the collective is done. Once done, it stays done.
  package func test() throws(TregError) -> Bool {
    guard let request else { return true }
    var done: Int32 = 0
    try communicator.call { table, error in table.test(request, &done, error) }
    if done != 0 { self.request = nil }
    return done != 0
  }

  /// Returns when the collective is done on this rank.
  package func wait() throws(TregError) {
    guard let request else { return }
    try communicator.call { table, error in table.wait(request, error) }
    self.request = nil
  }
}
