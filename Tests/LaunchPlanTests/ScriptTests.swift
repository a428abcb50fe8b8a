import Foundation
import LaunchPlan
import RunFolder
import Testing

/// Words that shells like to take apart.
private let nasty = ["a b", "it's", "\"quoted\"", "$HOME", "`id`", "two\nlines", "", "*", "back\\slash", "--x=;#"]

/// Runs a script with bash and programs of its own in front of the search path.
private func bash(_ script: String, in folder: String, environment: [String: String] = [:]) throws -> (
  code: Int32, output: String
) {
  let path = folder + "/script"
  try AtomicFile.write(script, to: path)
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/bin/bash")
  process.arguments = [path]
  process.environment = ["PATH": "\(folder):/usr/bin:/bin", "FOLDER": folder].merging(environment) { $1 }
  let pipe = Pipe()
  process.standardOutput = pipe
  // Threads of Swift's pool block signals, which a child inherits.
  var (none, before) = (sigset_t(), sigset_t())
  sigemptyset(&none)
  pthread_sigmask(SIG_SETMASK, &none, &before)
  defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
  try process.run()
  let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
}

private func program(_ text: String, _ name: String, in folder: String) throws -> String {
  let path = folder + "/" + name
  try AtomicFile.write("#!/bin/bash\n" + text + "\n", to: path)
  chmod(path, 0o755)
  return path
}

@Suite struct ShellWordTests {
  @Test func shellsHandOnWordsAsTheyAre() throws {
    let machine = try Machine([:])
    let echo = try program("printf '<%s>' \"$@\"", "echo-words", in: machine.root)
    #expect(try bash(ShellWord.line([echo] + nasty), in: machine.root).output == nasty.map { "<\($0)>" }.joined())
  }
}

@Suite struct BatchScriptTests {
  private static func options() -> LaunchOptions {
    var options = LaunchOptions(ranksPerNode: 2, threads: 4, nodes: 3, arguments: ["train"] + nasty)
    options.batch.isAsked = true
    options.batch.partition = "day"
    options.batch.time = "1:00:00"
    options.batch.more = ["--mail-user=a b", "--comment", "it's #1"]
    return options
  }

  @Test func sbatchIsToldEverything() throws {
    let script = try BatchScript(Self.options(), launcher: "/opt/treg-launch", out: "runs/a b").text
    let head = script.split(separator: "\n").prefix { $0.hasPrefix("#") }.map(String.init)
    #expect(
      head == [
        "#!/bin/bash", "#SBATCH --job-name=treg", "#SBATCH --output=runs/a\\ b/run/logs/slurm-%j.log",
        "#SBATCH --open-mode=append", "#SBATCH --nodes=3", "#SBATCH --ntasks-per-node=2", "#SBATCH --cpus-per-task=4",
        "#SBATCH --requeue", "#SBATCH --signal=B:USR1@120", "#SBATCH --partition=day", "#SBATCH --time=1:00:00",
        "#SBATCH --mail-user=a\\ b", "#SBATCH --comment it\\'s\\ \\#1",
      ])
    var whole = LaunchOptions(arguments: ["train"])
    whole.batch.isAsked = true
    #expect(try BatchScript(whole, launcher: "l", out: "o").text.contains("#SBATCH --exclusive\n"))
    whole.batch.more = ["--comment=two\nlines"]
    #expect(throws: TregError.self) { try BatchScript(whole, launcher: "l", out: "o") }
  }

  /// The launcher gets every word as it was; a job that starts again resumes; 75 requeues.
  @Test(arguments: [(0, 0, false), (75, 0, true), (75, 2, true), (79, 0, false)] as [(Int32, Int, Bool)])
  func wordsCodesAndRequeue(code: Int32, restarts: Int, requeues: Bool) throws {
    let machine = try Machine([:])
    let launcher = try program("printf '<%s>' \"$@\"; exit \(code)", "launcher", in: machine.root)
    _ = try program("echo \"requeued $*\"", "scontrol", in: machine.root)
    let script = try BatchScript(Self.options(), launcher: launcher, out: "o").text
    let (ended, output) = try bash(
      script, in: machine.root, environment: ["SLURM_RESTART_COUNT": "\(restarts)", "SLURM_JOB_ID": "42"])
    let flags = ["--nproc-per-node", "2", "--threads", "4", "--max-restarts", "3", "train"]
    let words = flags + nasty + (restarts > 0 ? ["--resume"] : [])
    #expect(ended == code)
    #expect(output == words.map { "<\($0)>" }.joined() + (requeues ? "requeued requeue 42\n" : ""))
  }

  /// USR1 goes on to the launcher, whose code counts; TERM too, and nothing is requeued.
  @Test(arguments: [("USR1", true), ("TERM", false)])
  func signalsReachTheLauncher(signal: String, requeues: Bool) throws {
    let machine = try Machine([:])
    let launcher = try program(
      "trap 'echo caught; exit 75' \(signal); sleep 0.3; kill -\(signal) $PPID; for i in {1..100}; do sleep 0.05; done",
      "launcher", in: machine.root)
    _ = try program("echo requeued", "scontrol", in: machine.root)
    let script = try BatchScript(Self.options(), launcher: launcher, out: "o").text
    let (code, output) = try bash(script, in: machine.root, environment: ["SLURM_JOB_ID": "42"])
    #expect(code == 75 && output == "caught\n" + (requeues ? "requeued\n" : ""))
  }
}

@Suite struct ArrayScriptTests {
  private static func script(_ worker: String, tries: Int) throws -> String {
    try ArrayScript(
      command: [worker] + nasty, missing: [0, 1, 2, 5, 7], of: 9, parallel: 2, threads: 3, tries: tries, logs: "o/logs",
      batch: BatchOptions()
    ).text
  }

  @Test func onlyMissingShardsAreAskedFor() throws {
    let text = try Self.script("/opt/treg", tries: 1)
    #expect(text.contains("#SBATCH --array=0-2,5,7%2\n") && text.contains("#SBATCH --cpus-per-task=3\n"))
    #expect(text.contains("#SBATCH --output=o/logs/slurm-%A_%a.log\n"))
  }

  /// A failure that may pass is tried again, one that would not is not.
  @Test(arguments: [(137, 2), (65, 1), (0, 1)] as [(Int32, Int)])
  func shardsAreTriedAgain(code: Int32, runs: Int) throws {
    let machine = try Machine([:])
    let worker = try program("printf '<%s>' \"$@\"; exit \(code)", "worker", in: machine.root)
    _ = try program("true", "sleep", in: machine.root)
    let (ended, output) = try bash(
      try Self.script(worker, tries: 2), in: machine.root, environment: ["SLURM_ARRAY_TASK_ID": "5"])
    let words = (nasty + ["--shard", "5/9"]).map { "<\($0)>" }.joined()
    #expect(ended == code && output == String(repeating: words, count: runs))
  }
}
