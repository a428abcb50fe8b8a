/// What a pass may say of every target beside log π.
package struct StatisticRequest: OptionSet, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// log Σ_v π(v)².
  package static let logSquares = StatisticRequest(rawValue: 1)
  /// KL(π_ref‖π) over the vocabulary.
  package static let referenceDivergence = StatisticRequest(rawValue: 2)
  /// KL(π‖π_ref) over the vocabulary.
  package static let policyDivergence = StatisticRequest(rawValue: 4)

  /// Whether a reference runs beside the model.
  package var needsReference: Bool { !isDisjoint(with: [.referenceDivergence, .policyDivergence]) }
}

/// One value per target of a batch, in natural logarithms; nil where it was not asked for.
package struct TargetStatistics: Sendable {
  /// log π(target).
  package var logProbs: [Float]
  package var logSquares: [Float]?
  package var referenceDivergence: [Float]?
  package var policyDivergence: [Float]?

  init(count: Int, request: StatisticRequest) {
    let zeros = [Float](repeating: 0, count: count)
    logProbs = zeros
    logSquares = request.contains(.logSquares) ? zeros : nil
    referenceDivergence = request.contains(.referenceDivergence) ? zeros : nil
    policyDivergence = request.contains(.policyDivergence) ? zeros : nil
  }

  /// The lists' first elements; the last three are nil where nothing was asked for.
  mutating func withPointers(
    _ body: (
      UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?,
      UnsafeMutablePointer<Float>?
    ) -> Void
  ) {
    func open(_ list: inout [Float]?, _ body: (UnsafeMutablePointer<Float>?) -> Void) {
      guard list != nil else { return body(nil) }
      list!.withUnsafeMutableBufferPointer { body($0.baseAddress) }
    }
    logProbs.withUnsafeMutableBufferPointer { logProbs in
      open(&logSquares) { squares in
        open(&referenceDivergence) { fromReference in
          open(&policyDivergence) { body(logProbs.baseAddress!, squares, fromReference, $0) }
        }
      }
    }
  }
}

/// d loss / d statistic of every target; nil where it is 0 for all.
package struct TargetCoefficients: Sendable {
  package var logProbs: [Float]
  package var logSquares: [Float]?
  package var referenceDivergence: [Float]?
  package var policyDivergence: [Float]?

  package init(
    logProbs: [Float], logSquares: [Float]? = nil, referenceDivergence: [Float]? = nil, policyDivergence: [Float]? = nil
  ) {
    self.logProbs = logProbs
    self.logSquares = logSquares
    self.referenceDivergence = referenceDivergence
    self.policyDivergence = policyDivergence
    for list in [logSquares, referenceDivergence, policyDivergence] {
      precondition(list.map { $0.count == logProbs.count } ?? true, "one coefficient per target")
    }
  }

  /// The statistics that have coefficients.
  var request: StatisticRequest {
    var request: StatisticRequest = []
    if logSquares != nil { request.insert(.logSquares) }
    if referenceDivergence != nil { request.insert(.referenceDivergence) }
    if policyDivergence != nil { request.insert(.policyDivergence) }
    return request
  }
}

/// The model that divergences are taken from, and the batch as that model reads it: the same sequences, in the same order.
package struct ReferencePass {
  package let model: Transformer
  package let batch: PackedBatch

  package init(_ model: Transformer, _ batch: PackedBatch) {
    self.model = model
    self.batch = batch
  }
}
