import RunFolder

/// What a code that a run or a job ended with means for another try.
package enum FailureKind: Sendable, Equatable {
  /// It ended as it was asked to, or did what it had to.
  case none
  /// Another try would end in the same way: a mistake in the command, in files, or a bug.
  case lasting
  /// Lost hosts, killed and crashed processes, full disks: another try may do better.
  case passing

  /// Codes that end a job for good.
  package static let finalCodes: [Int32] = [0, 64, 65, 66, 70, 73, 77, 78, 79, 130]

  /// - Parameters:
  ///   - code: of the worker or of the program that started it; 128 + n for signal n.
  ///   - isStall: a watchdog ended a rank, which also gives 75; else 75 means that somebody asked to stop.
  package init(code: Int32, isStall: Bool) {
    switch code {
    case 0, ExitCode.interrupted.rawValue: self = .none
    case ExitCode.preempted.rawValue: self = isStall ? .passing : .none
    case _ where Self.finalCodes.contains(code): self = .lasting
    default: self = .passing
    }
  }

  /// The code of a last failure as scripts and schedulers know codes: crashes by a signal are bugs (70), and what mpirun
  /// and srun call by numbers of their own is a host or an MPI that is not there (69). A stall is no 75, at which
  /// schedulers would start the run again and again.
  package static func exitCode(_ code: Int32, isStall: Bool) -> Int32 {
    if code == ExitCode.preempted.rawValue { return isStall ? ExitCode.unavailable.rawValue : code }
    if ExitCode(rawValue: code) != nil { return code }
    switch code - 128 {
    case 4, 5, 6, 7, 8, 11: return ExitCode.bug.rawValue
    case 9, 15: return ExitCode.killed.rawValue
    default: return ExitCode.unavailable.rawValue
    }
  }
}
