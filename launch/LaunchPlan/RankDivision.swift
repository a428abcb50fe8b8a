import Configuration
import RunFolder

/// Over how many ranks a run can be divided: a reproducible one over those that divide its virtual ranks, any other over all.
package struct RankDivision: Sendable, Equatable {
  /// nil: any number of ranks will do.
  package let virtualRanks: Int?

  package init(virtualRanks: Int?) { self.virtualRanks = virtualRanks }

  package init(_ configuration: RunConfiguration) {
    virtualRanks = configuration.reproducible ? configuration.virtualRanks : nil
  }

  /// The division of what some options start; commands that do not train have none.
  ///
  /// - Throws: what reading the configuration throws.
  package init(_ options: LaunchOptions) throws {
    guard options.arguments.first == "train" else {
      self.init(virtualRanks: nil)
      return
    }
    let words = WorkerWords(options.arguments.dropFirst())
    self.init(try RunConfiguration.parse(file: words.file, flags: words.flags).configuration)
  }

  /// - Throws: ``TregError`` 78, as the worker would, but before anything starts.
  package func check(nodes: Int, ranksPerNode: Int) throws {
    let ranks = nodes * ranksPerNode
    guard let virtualRanks, virtualRanks % ranks != 0 else { return }
    let layout = nodes == 1 ? "" : " (\(nodes) hosts × \(ranksPerNode))"
    throw TregError.configuration(
      at: "reproducible",
      "\(ranks) ranks\(layout) cannot share \(virtualRanks) virtual_ranks evenly; \(advice(nodes, ranksPerNode))")
  }

  /// The most hosts of some number, with so many ranks each, over which the run can be divided; 0: over none.
  package func hosts(of count: Int, ranksPerNode: Int) -> Int {
    guard let virtualRanks else { return count }
    return (1...max(1, count)).last { $0 <= count && virtualRanks % ($0 * ranksPerNode) == 0 } ?? 0
  }

  private func advice(_ nodes: Int, _ ranksPerNode: Int) -> String {
    let fewer = hosts(of: nodes, ranksPerNode: ranksPerNode)
    if fewer > 0 { return "\(fewer) \(fewer == 1 ? "host" : "hosts") would do (--nnodes \(fewer))" }
    let ranks = (1..<ranksPerNode).last { hosts(of: nodes, ranksPerNode: $0) > 0 } ?? 1
    let most = hosts(of: nodes, ranksPerNode: ranks)
    return "--nproc-per-node \(ranks)" + (most == nodes ? " would do" : " with --nnodes \(most) would do")
  }
}
