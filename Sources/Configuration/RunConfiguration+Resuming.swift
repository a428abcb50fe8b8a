extension RunConfiguration {
  /// Why a run of this configuration cannot go on from one of `saved`: the keys that would bend its course.
  ///
  /// These may change freely: what is reported and kept (`out`, `eval_data`, `logging_steps`, `eval_steps`, `save_*`)
  /// and how the work is done (`threads`, `gradient_exchange`), and, unless one of the two is reproducible,
  /// `micro_batch_tokens`, though other sums round otherwise.
  /// `model`, `reference`, `data` and `rewards` may move: their content is compared by hash elsewhere.
  /// `max_steps` and `num_train_epochs` may change where no learning rate depends on them: with a constant schedule
  /// and a warm-up given in steps.
  ///
  /// - Returns: a line for each key in the table's order, such as
  ///   `learning_rate: 5.0e-7 in the checkpoint, 1.0e-6 now`; empty when the run can go on.
  package func differences(fromSaved saved: RunConfiguration) -> [String] {
    let lengthMatters = dependsOnLength || saved.dependsOnLength
    return ConfigurationKey.all.compactMap { key in
      switch key.relevance {
      case .trajectory: break
      case .length: guard lengthMatters else { return nil }
      case .rounding: guard reproducible || saved.reproducible else { return nil }
      case .content, .free: return nil
      }
      let then = key.get(saved)
      let now = key.get(self)
      return then == now ? nil : "\(key.name): \(Self.yaml(then)) in the checkpoint, \(Self.yaml(now)) now"
    }
  }

  private var dependsOnLength: Bool { schedule.dependsOnLength || (warmupRatio ?? 0) > 0 }
}
