import CKernels
import Compute
import ModelDescription

/// The low-rank adapters of one layer, forward beside backward.
///
///     y += h·Bᵀ,  h = s·x·Aᵀ
///     dh = s·dy·B,  dx += dh·A,  dB += dyᵀ·h,  dA += dhᵀ·x
///
/// Every product of the layer may have several, each at some of its outputs. Shapes: A [r,K], B [N,r], h and dh [T,r].
struct LayerAdapter {
  private struct Term {
    let role: Parameter.Role
    let outputs: Range<Int>
    let inputs: Int
    let rank: Int
    let scale: Float
    let a, b: Int
    /// Ranks of the terms before it.
    let place: Int
  }

  private let terms: [Term]
  private let values: UnsafeMutablePointer<Float>

  /// - Parameters:
  ///   - values: A and B of all layers, laid out as `layout` says.
  ///   - layer: which layer's to take.
  init(_ layout: LowRankLayout, values: UnsafeMutablePointer<Float>, layer: Int) {
    var place = 0
    terms = layout.projections.filter { $0.layer == layer }.map { projection in
      defer { place += projection.rank }
      return Term(
        role: projection.role, outputs: projection.outputs, inputs: projection.inputs, rank: projection.rank,
        scale: Float(projection.scale), a: projection.a.offset, b: projection.b.offset, place: place)
    }
    self.values = values
  }

  /// Adds to the outputs of a product.
  ///
  /// - Parameters:
  ///   - y: rows of the whole product, `width` floats apart.
  ///   - memory: rows · r floats.
  func forward(
    _ role: Parameter.Role, _ y: UnsafeMutablePointer<Float>, width: Int, x: UnsafePointer<Float>, rows: Int,
    memory: UnsafeMutablePointer<Float>
  ) {
    for term in terms where term.role == role {
      hidden(term, x: x, rows: rows, into: memory)
      MatrixMultiply.forward(
        y: y + term.outputs.lowerBound, x: memory, w: values + term.b, rows: rows, outputs: term.outputs.count,
        inputs: term.rank, yStride: width, accumulate: true)
    }
  }

  private func hidden(_ term: Term, x: UnsafePointer<Float>, rows: Int, into h: UnsafeMutablePointer<Float>) {
    MatrixMultiply.forward(y: h, x: x, w: values + term.a, rows: rows, outputs: term.rank, inputs: term.inputs)
    tk_scale(h, term.scale, Int64(rows * term.rank))
  }

  /// Room of the backward pass: h and dh of every term, for all tokens.
  struct Room {
    let pointer: UnsafeMutablePointer<Float>
    let tokens: Int
  }

  private func h(_ term: Term, _ room: Room) -> UnsafeMutablePointer<Float> {
    room.pointer + 2 * term.place * room.tokens
  }

  private func dh(_ term: Term, _ room: Room) -> UnsafeMutablePointer<Float> {
    h(term, room) + room.tokens * term.rank
  }

  /// Keeps dh of the tokens from `first` on and adds to their dx.
  ///
  /// - Parameter dy: rows of the whole product's gradient, `width` floats apart.
  func backwardInput(
    _ role: Parameter.Role, dx: UnsafeMutablePointer<Float>, dy: UnsafePointer<Float>, width: Int, first: Int,
    rows: Int, room: Room
  ) {
    for term in terms where term.role == role {
      let gradient = dh(term, room) + first * term.rank
      MatrixMultiply.backwardInput(
        dx: gradient, dy: dy + term.outputs.lowerBound, w: values + term.b, rows: rows, outputs: term.outputs.count,
        inputs: term.rank, dyStride: width)
      tk_scale(gradient, term.scale, Int64(rows * term.rank))
      MatrixMultiply.backwardInput(
        dx: dx, dy: gradient, w: values + term.a, rows: rows, outputs: term.rank, inputs: term.inputs,
        accumulate: true)
    }
  }

  /// Makes h of the tokens from `first` on once more, from the product's inputs.
  func again(_ role: Parameter.Role, x: UnsafePointer<Float>, first: Int, rows: Int, room: Room) {
    for term in terms where term.role == role {
      hidden(term, x: x, rows: rows, into: h(term, room) + first * term.rank)
    }
  }

  /// Appends the products that add to the gradients of A and B.
  ///
  /// - Parameters:
  ///   - dy, x: of all tokens; rows of dy are `width` floats apart.
  ///   - gradients: laid out as the values.
  func appendGradients(
    _ role: Parameter.Role, dy: UnsafePointer<Float>, width: Int, x: UnsafePointer<Float>,
    gradients: UnsafeMutablePointer<Float>, room: Room, to products: WeightGradientList
  ) {
    for term in terms where term.role == role {
      products.append(
        WeightGradient(
          gradients + term.b, dy: dy + term.outputs.lowerBound, x: h(term, room), outputs: term.outputs.count,
          inputs: term.rank, dyStride: width))
      products.append(
        WeightGradient(gradients + term.a, dy: dh(term, room), x: x, outputs: term.rank, inputs: term.inputs))
    }
  }
}
