import LaunchPlan
import OrderedJSON
import Reporting
import RunFolder
import Supervision

extension TregLaunch {
  /// `status`, `logs` and `stop`, which need nothing but the run's folder.
  func watch(_ command: String) throws -> Int32 {
    let others = words.dropFirst().filter { $0 != "--jsonl" }
    guard others.count == 1, let out = others.first, !out.hasPrefix("-") else {
      throw TregError.usage("expected treg-launch \(command) OUT, a run's folder")
    }
    switch command {
    case "logs": try LogReader(out, rank: rank, waits: follow).print(follows: follow)
    case "stop": Console.print(try RunView(out).stop(now: now))
    default:
      let view = try RunView(out)
      if words.contains("--jsonl") {
        Console.print(view.json.text())
      } else {
        let terminal = Terminal.standardOutput
        Console.print(Listing(view.lines()).text(width: terminal.isTerminal ? terminal.width : .max))
      }
    }
    return 0
  }
}
