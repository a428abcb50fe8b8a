/// WPO (arXiv 2406.11827): DPO whose pairs count by ``PairWeighted``.
enum WPO {
  static let registration = ObjectiveRegistration(names: ["wpo"], weighting: .bounded) { try DPO(options: $0) }
}
