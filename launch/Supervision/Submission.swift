import LaunchPlan
import Reporting
import RunFolder
import Subprocess

/// A batch script that is written and handed to sbatch.
package struct Submission {
  private let script: String
  private let path: String
  private let logs: String
  private let waits: Bool
  private let isDryRun: Bool

  /// - Parameters:
  ///   - path: where the script is kept.
  ///   - logs: the folder that the job's output goes to; Slurm does not make it.
  package init(script: String, path: String, logs: String, waits: Bool, isDryRun: Bool) {
    self.script = script
    self.path = path
    self.logs = logs
    self.waits = waits
    self.isDryRun = isDryRun
  }

  /// - Returns: sbatch's code; with `waits` the job's.
  /// - Throws: ``TregError`` 69 without Slurm, or when sbatch refuses the job, in its words.
  package func run() async throws -> Int32 {
    if isDryRun {
      Console.print(script)
      return 0
    }
    let sbatch = try Programs.slurm("sbatch")
    try FileSystem.createFolder(logs)
    try AtomicFile.write(script, to: path)
    let arguments = ["--parsable"] + (waits ? ["--wait"] : []) + [path]
    Console.note("script    \(path)")
    let result = try await Subprocess.run(
      .path(.init(sbatch)), arguments: Arguments(arguments), output: .string(limit: 1 << 16),
      error: .string(limit: 1 << 16))
    let job = result.standardOutput.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
    let errors = result.standardError.split(whereSeparator: \.isNewline).map(String.init)
    guard case .exited(let code) = result.terminationStatus, !job.isEmpty else {
      throw TregError(.unavailable, "sbatch refused the job: \(errors.last ?? "it said nothing")")
    }
    for line in errors { Console.note(line) }
    Console.print(job)
    return code
  }
}
