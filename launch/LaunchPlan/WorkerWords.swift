/// The worker's words, parted into what is fixed and the keys of its configuration.
package struct WorkerWords: Sendable, Equatable {
  /// The configuration's file.
  package private(set) var file: String?
  /// Keys as flags.
  package private(set) var flags: [String] = []
  /// The checkpoint that `--resume` names.
  package private(set) var checkpoint: String?

  /// - Parameter words: without the command.
  package init(_ words: some Collection<String>) {
    var rest = Array(words)[...]
    while let word = rest.popFirst() {
      switch word {
      case "--config": file = rest.popFirst()
      case _ where word.hasPrefix("--config="): file = String(word.dropFirst("--config=".count))
      case "--resume": if let next = rest.first, !next.hasPrefix("-") { checkpoint = rest.removeFirst() }
      case _ where word.hasPrefix("--resume="): checkpoint = String(word.dropFirst("--resume=".count))
      case "--overwrite", "--dry-run", "--jsonl": break
      default: flags.append(word)
      }
    }
  }

  /// The configuration alone, for other commands of the worker.
  package var configuration: [String] { (file.map { ["--config", $0] } ?? []) + flags }

  /// The same command, going on from a checkpoint: the newest valid one unless one is named.
  ///
  /// - Parameter words: with the command.
  package static func resuming(_ words: [String], from checkpoint: String? = nil) -> [String] {
    var kept: [String] = []
    var rest = words[...]
    while let word = rest.popFirst() {
      switch word {
      case "--overwrite": break
      case "--resume": if let next = rest.first, !next.hasPrefix("-") { rest.removeFirst() }
      case _ where word.hasPrefix("--resume="): break
      default: kept.append(word)
      }
    }
    return kept + [checkpoint.map { "--resume=" + $0 } ?? "--resume"]
  }
}
