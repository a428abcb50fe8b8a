import RunFolder

/// How far a run has come, as its folder tells; what is further is greater.
package struct RunProgress: Sendable, Comparable {
  /// The newest checkpoint's step; nil: none.
  package let checkpoint: Int?
  /// Bytes of the scores that ranks have kept.
  package let scores: Int

  package init(checkpoint: Int?, scores: Int = 0) {
    self.checkpoint = checkpoint
    self.scores = scores
  }

  package init(of layout: RunLayout) {
    checkpoint = (try? layout.checkpoints())?.last?.step
    // Held-out pairs have a folder of their own in that of the rewards.
    let folders = [layout.rewards, FileSystem.join(layout.rewards, "eval")]
    scores = folders.reduce(0) { sum, folder in
      let names = (try? FileSystem.contents(ofFolder: folder)) ?? []
      return names.reduce(sum) { $0 + ((try? FileSystem.size(of: FileSystem.join(folder, $1))) ?? 0) }
    }
  }

  package static func < (left: RunProgress, right: RunProgress) -> Bool {
    (left.checkpoint ?? -1, left.scores) < (right.checkpoint ?? -1, right.scores)
  }

  /// Where a further start goes on.
  package var text: String {
    checkpoint.map { "checkpoint-\($0)" } ?? (scores > 0 ? "the scores made so far" : "the start")
  }
}
