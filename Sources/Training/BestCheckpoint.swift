import Configuration
import OrderedJSON
import Reporting
import RunFolder

/// The checkpoint whose held-out pairs look best, as `OUT/run/best.json` and every checkpoint's state tell it.
package struct BestCheckpoint: Sendable, Equatable {
  package var step: Int
  /// As metrics name it: `eval_loss`.
  package var metric: String
  package var value: Double

  package init(step: Int, metric: String, value: Double) {
    self.step = step
    self.metric = metric
    self.value = value
  }

  package var json: JSONValue { ["step": .integer(step), "metric": .string(metric), "value": .number(value)] }

  /// nil when the value is none.
  package init?(_ json: JSONValue) {
    guard let step = json["step"]?.integer, step >= 0, let metric = json["metric"]?.string,
      let value = json["value"]?.double
    else { return nil }
    self.init(step: step, metric: metric, value: value)
  }
}

/// How checkpoints are compared: `metric_for_best_model` and `greater_is_better`, which mean what they mean to transformers.
struct BestMetric {
  let metric: Metric
  let greaterIsBetter: Bool

  var name: String { "eval_" + metric.rawValue }

  /// nil when checkpoints are not compared.
  ///
  /// - Throws: 78 when there is no such metric.
  init?(_ configuration: RunConfiguration) throws {
    guard let given = configuration.metricForBestModel ?? (configuration.loadBestModelAtEnd ? "loss" : nil) else {
      return nil
    }
    let name = given.hasPrefix("eval_") ? String(given.dropFirst("eval_".count)) : given
    guard let metric = Metric(rawValue: name), metric != .step, metric != .epoch else {
      throw TregError.configuration(
        at: "metric_for_best_model",
        "no metric of evaluations is named \(given); try eval_loss, eval_rewards/accuracies or eval_rewards/margins")
    }
    self.metric = metric
    greaterIsBetter = configuration.greaterIsBetter ?? !name.hasSuffix("loss")
  }

  /// The best after an evaluation; of equal ones the earlier.
  func best(_ before: BestCheckpoint?, step: Int, value: Double) -> BestCheckpoint? {
    guard value.isFinite else { return before }
    if let before, before.metric == name, greaterIsBetter ? value <= before.value : value >= before.value {
      return before
    }
    return BestCheckpoint(step: step, metric: name, value: value)
  }
}
