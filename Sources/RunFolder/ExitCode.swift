/// What a process of this project ends with. Scripts and schedulers rely on these numbers.
package enum ExitCode: Int32, Sendable, CaseIterable {
  case done = 0
  case usage = 64
  case badData = 65
  case inputMissing = 66
  case unavailable = 69
  case bug = 70
  case cannotCreate = 73
  case inputOutput = 74
  case preempted = 75
  case ranksDisagree = 76
  case permission = 77
  case configuration = 78
  case nonFinite = 79
  case interrupted = 130
  case killed = 137
}
