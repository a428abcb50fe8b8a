import CKernels

/// The rotation of a packed batch's queries and keys by one rotary embedding.
struct Rotation {
  private let table: RotaryTable
  private let rows: [Int32]
  private let stride, heads, headWidth, rotated: Int64

  init(_ table: RotaryTable, _ batch: PackedBatch, shape: ModelShape) {
    self.table = table
    rows = table.rows ?? batch.positions
    stride = Int64(shape.qkvWidth)
    heads = Int64(shape.heads + shape.keyValueHeads)
    headWidth = Int64(shape.headWidth)
    rotated = Int64(shape.model.rotaryDimension)
  }

  /// Turns the tokens `first ..< first + rows`, whose rows of queries, keys and values begin at `qkv`, in place.
  func turn(_ qkv: UnsafeMutablePointer<Float>, first: Int, rows count: Int, direction: Float) {
    rows.withUnsafeBufferPointer { rows in
      tk_rotate(
        qkv, stride, rows.baseAddress! + first, table.cosine.pointer, table.sine.pointer, Int64(count), heads,
        headWidth, rotated, direction)
    }
  }
}
