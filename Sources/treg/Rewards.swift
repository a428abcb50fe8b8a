import ArgumentParser
import Configuration
import Foundation
import RunFolder
import Scoring
import Training

struct Rewards: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make token rewards and reference log-probs of preference pairs, whole or as one shard of a job array.",
    discussion: RunConfiguration.keysHelp)

  @OptionGroup var options: RunOptions

  @Option(
    help: ArgumentHelp(
      "Make one shard of n, counted from 0; default: SLURM_ARRAY_TASK_ID and _COUNT.", valueName: "i/n"))
  var shard: String?

  @Flag(help: "Also write one JSON object per response.")
  var jsonl = false

  @Flag(help: "Make shards anew that are in the folder already.")
  var overwrite = false

  @Option(
    help: ArgumentHelp(
      "Say which of n shards are missing, and close the set when none is.", valueName: "n", visibility: .hidden))
  var survey: Int?

  func run() throws {
    InputWatch.startIfAsked()
    let parsed = try options.parse(
      requiring: ["model", "data", "out"], otherFlags: ["--shard", "--jsonl", "--overwrite"])
    if let survey {
      guard survey > 0, shard == nil else { throw TregError.usage("--survey n goes without --shard, and n is above 0") }
      try RewardJob(
        parsed.configuration, shard: nil, communicator: .solo(), environment: ProcessInfo.processInfo.environment
      ).survey(shards: survey, replacing: overwrite)
      return
    }
    let part = try ShardChoice(shard, environment: ProcessInfo.processInfo.environment)
    let stop = StopRequest()
    try Session.run(layout: nil, isShardJob: part != nil) { communicator, environment in
      if communicator.rank == 0 { parsed.noteIgnored() }
      try stop.listening(speaks: communicator.rank == 0) {
        try RewardJob(
          parsed.configuration, shard: part.map { ($0.index, $0.count) }, communicator: communicator,
          environment: environment, stop: stop
        ).run(writingRecords: jsonl, overwriting: overwrite)
      }
      return .done
    }
  }
}

/// Which shard of how many a job makes.
struct ShardChoice {
  let index: Int
  let count: Int

  /// From `--shard i/n`, else from a Slurm job array's variables; nil when neither says anything.
  ///
  /// - Throws: usage (64) when the flag is not of that form.
  init?(_ flag: String?, environment: [String: String]) throws {
    if let flag {
      let parts = flag.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 2, let index = Int(parts[0]), let count = Int(parts[1]), count > 0,
        (0..<count).contains(index)
      else { throw TregError.usage("--shard \(flag): expected i/n with i from 0 to n - 1, such as 3/8") }
      (self.index, self.count) = (index, count)
      return
    }
    guard let task = environment["SLURM_ARRAY_TASK_ID"].flatMap(Int.init),
      let count = environment["SLURM_ARRAY_TASK_COUNT"].flatMap(Int.init)
    else { return nil }
    let first = environment["SLURM_ARRAY_TASK_MIN"].flatMap(Int.init) ?? 0
    let step = environment["SLURM_ARRAY_TASK_STEP"].flatMap(Int.init) ?? 1
    index = (task - first) / max(step, 1)
    self.count = count
    guard (0..<count).contains(index) else {
      throw TregError.usage("SLURM_ARRAY_TASK_ID \(task) is none of \(count) tasks from \(first); give --shard i/n")
    }
  }
}
