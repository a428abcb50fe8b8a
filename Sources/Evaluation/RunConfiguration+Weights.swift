import Compute
import Configuration
import ModelFiles

extension RunConfiguration {
  /// How memory holds a model's weights.
  package func weightType(of source: ModelSource) -> WeightType {
    WeightType(rawValue: source.storageType(named: weights.rawValue).rawValue)!
  }
}
