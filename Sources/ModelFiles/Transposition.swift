import ModelDescription

/// Between the flat buffer's `[outputs, inputs]` and the `[inputs, outputs]` in which some files hold a matrix.
enum Transposition {
  /// A new buffer with a matrix as files hold it; the caller deallocates it.
  static func stored(_ values: UnsafeBufferPointer<Float>, _ parameter: Parameter) -> UnsafeMutableBufferPointer<Float>
  {
    let result = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
    copy(from: values, rows: parameter.shape[0], columns: parameter.shape[1], to: result)
    return result
  }

  /// Turns a matrix that was read as files hold it, in place.
  static func unstore(_ values: UnsafeMutableBufferPointer<Float>, _ parameter: Parameter) {
    let copied = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
    defer { copied.deallocate() }
    _ = copied.initialize(from: values)
    copy(
      from: UnsafeBufferPointer(copied), rows: parameter.storedShape[0], columns: parameter.storedShape[1], to: values)
  }

  /// target[c, r] = source[r, c], in blocks that stay in the cache.
  static func copy(
    from source: UnsafeBufferPointer<Float>, rows: Int, columns: Int, to target: UnsafeMutableBufferPointer<Float>
  ) {
    let block = 32
    for row in stride(from: 0, to: rows, by: block) {
      for column in stride(from: 0, to: columns, by: block) {
        for r in row..<min(row + block, rows) {
          for c in column..<min(column + block, columns) { target[c * rows + r] = source[r * columns + c] }
        }
      }
    }
  }
}
