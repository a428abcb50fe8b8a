import Compute
import RunFolder

extension Trainer {
  /// Lets happen what a drill orders for the beginning of a step; nothing without one.
  func beginDrill(step: Int) {
    if let drill, drill.flips(step: step) { flipBit() }
  }

  /// Changes one bit of what this rank holds of the weights that train, where another rank owns them.
  private func flipBit() {
    let layout = summing.layout
    let strips = layout.buckets.indices.lazy.flatMap { bucket in
      layout.strips(of: bucket).enumerated().map { (owner: $0, range: $1) }
    }
    let others = strips.filter { !$0.range.isEmpty && (layout.ranks == 1 || $0.owner != self.rank) }
    guard let strip = others.last else { return }
    let place = strip.range.lowerBound + strip.range.count / 2
    if let floats = model.adapter?.values ?? model.weights.floats {
      floats.pointer[place] = Float(bitPattern: floats.pointer[place].bitPattern ^ 1 << 12)
    } else {
      model.weights.halves[place] ^= 1
    }
    model.weightsChanged()
  }
}
