import Foundation
import LaunchPlan
import Reporting
import RunFolder
import Supervision

/// `doctor`: asks every host what a start would ask, and starts nothing; without hosts, the worker's own doctor.
struct HostDoctor {
  private let options: LaunchOptions
  private let environment = ProcessInfo.processInfo.environment

  init(_ options: LaunchOptions) { self.options = options }

  func run() async throws -> Int32 {
    let worker = try Programs.worker()
    // The command may be told, and counts for its configuration alone.
    var words = options.arguments
    if ["train", "rewards"].contains(words.first) { words.removeFirst() }
    let allocation = options.hostfile == nil ? Allocation(environment) : nil
    let hosts = try options.hosts(in: allocation)
    guard hosts != nil || allocation != nil else {
      return try await Launcher.run(
        [worker, "doctor"] + words, environment: [:], guardian: nil, output: .inherited, started: { _ in })
    }
    let names = ForwardedVariables.names(in: environment)
    let check = HostCheck(
      worker: worker, words: WorkerWords(words).configuration,
      environment: environment.filter { names.contains($0.key) }, folder: RunPreparation.currentFolder(),
      sshConfig: options.sshConfig)
    let findings =
      if let hosts { try await check.ask(hosts.names) } else {
        try await check.ask(allocation!, srun: Programs.slurm("srun"))
      }
    try HostVerdict(findings, needs: .init()).tellAndRefuse()
    if let network = HostVerdict.sharedNetwork(findings) { Console.note("network   \(network)") }
    return 0
  }
}
