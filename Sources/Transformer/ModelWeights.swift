import Compute
import ModelDescription

/// A model's weights as its layers take them: matrices as memory holds them, norms and biases in fp32.
///
/// Norms and biases are a thousandth of a model; where weights have two bytes they are kept a second time, widened.
final class ModelWeights {
  let buffer: WeightBuffer
  private let vectors: [Parameter]
  private let widened: FloatBuffer
  /// Where each vector begins in `widened`, by its offset in the flat buffer.
  private let places: [Int: Int]
  /// Where workers widen tiles of matrices; nothing for fp32 weights.
  private let tiles: FloatBuffer
  private let tileStride: Int

  init(_ buffer: WeightBuffer, of model: ModelDescription, threads: Int) {
    self.buffer = buffer
    let isNarrow = buffer.type != .float32
    vectors = isNarrow ? model.parameters.filter { $0.kind == .norm || $0.kind == .bias } : []
    var places: [Int: Int] = [:]
    var end = 0
    for vector in vectors {
      // Those of one block, such as the biases of query, key and value, follow each other here as there.
      places[vector.offset] = end
      end += vector.count
    }
    self.places = places
    widened = FloatBuffer(count: end)
    tileStride = isNarrow ? MemoryFormula.weightTile(model) : 0
    tiles = FloatBuffer(count: threads * tileStride)
    refresh()
  }

  /// Widens norms and biases anew, after weights have changed.
  func refresh() {
    for vector in vectors {
      buffer.read(from: vector.offset, count: vector.count, into: widened.pointer + places[vector.offset]!)
    }
  }

  /// The norm or bias that begins at an offset of the flat buffer.
  func vector(_ offset: Int) -> UnsafePointer<Float> {
    if let floats = buffer.floats { return UnsafePointer(floats.pointer + offset) }
    return UnsafePointer(widened.pointer + places[offset]!)
  }

  /// The matrix that begins at an offset of the flat buffer.
  ///
  /// - Parameter worker: whose tile it is widened into.
  func matrix(_ offset: Int, outputs: Int, inputs: Int, worker: Int) -> WeightMatrix {
    WeightMatrix(
      buffer: buffer, offset: offset, outputs: outputs, inputs: inputs, tile: tiles.pointer + worker * tileStride)
  }
}
