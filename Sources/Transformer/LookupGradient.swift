import CKernels
import Compute

/// What one backward pass gives to the rows of the embedding that its tokens looked up, kept beside the flat gradient.
///
/// These rows come last in a backward pass, and are few. Where the flat gradient's part for the embedding need not wait for
/// them, it can leave for other ranks when the pass has hardly begun; with tied embeddings it is the head's and large.
package final class LookupGradient {
  /// The tokens that were looked up, ascending.
  package private(set) var tokens: [Int32] = []
  package let width: Int
  private var values = Scratch()

  package init(width: Int) {
    self.width = width
  }

  /// The gradient of the row of `tokens[index]`.
  package subscript(index: Int) -> UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: values.pointer + index * width, count: width)
  }

  package func clear() { tokens.removeAll(keepingCapacity: true) }

  /// Takes the rows of a batch; what was there before is gone.
  ///
  /// - Parameters:
  ///   - stream: gradient of the embedded tokens, [T,D].
  ///   - scale: of embedded tokens.
  ///   - padding: a token whose row gets none.
  func take(
    _ batch: PackedBatch, _ stream: UnsafePointer<Float>, scale: Float, except padding: Int?
  ) {
    tokens = Array(Set(batch.tokens.filter { Int($0) != padding })).sorted()
    let places = Dictionary(uniqueKeysWithValues: zip(tokens, tokens.indices))
    let rows = values.reserve(tokens.count * width)
    rows.update(repeating: 0, count: tokens.count * width)
    for (row, token) in batch.tokens.enumerated() {
      guard let place = places[token] else { continue }
      tk_add_scaled(rows + place * width, stream + row * width, scale, Int64(width))
    }
  }
}
