import ModelDescription
import RunFolder

extension WeightSource {
  /// Reads every tensor of a model into its place in one flat buffer of numbers of two bytes, rounded to the nearest, ties
  /// to even; gaps between tensors become zero. Names and checks as for fp32.
  ///
  /// - Parameters:
  ///   - buffer: `model.bufferCount` elements.
  ///   - type: a type of two bytes.
  /// - Throws: ``TregError`` (65) that names the tensor: missing, of another shape, not finite, or too large for the type.
  package func load(
    _ model: ModelDescription, into buffer: UnsafeMutableBufferPointer<UInt16>, as type: StorageType
  ) throws {
    precondition(type.byteCount == 2, "numbers of two bytes")
    precondition(buffer.count == model.bufferCount, "the buffer must hold \(model.bufferCount) elements")
    var end = 0
    for (parameter, name) in zip(model.parameters, try storedNames(of: model)) {
      UnsafeMutableBufferPointer(rebasing: buffer[end..<parameter.offset]).update(repeating: 0)
      end = parameter.range.upperBound
      let part = UnsafeMutableBufferPointer(rebasing: buffer[parameter.range])
      func narrow(_ first: Int, _ values: UnsafeBufferPointer<Float>) throws {
        try Conversion.requireFitting(values, type, tensor: name, first: first, place: place)
        for (index, value) in values.enumerated() {
          part[first + index] =
            type == .float16 ? StorageType.narrowToHalf(value) : StorageType.narrowToBrain(value)
        }
      }
      if parameter.isStoredTransposed {
        let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: parameter.count)
        defer { values.deallocate() }
        try load(parameter, of: model, into: values)
        try narrow(0, UnsafeBufferPointer(values))
      } else {
        try readPieces(name, narrow)
      }
    }
    UnsafeMutableBufferPointer(rebasing: buffer[end...]).update(repeating: 0)
    try refuseDifferingCopies(in: model)
  }
}

extension Conversion {
  /// - Throws: bad data (65) when a number is not finite, or too large for the type.
  static func requireFitting(
    _ values: UnsafeBufferPointer<Float>, _ type: StorageType, tensor: String, first: Int, place: String
  ) throws {
    if let index = firstNonFinite(values) {
      throw TregError.badData(
        at: place, "tensor \(tensor) holds \(values[index]) at element \(first + index), expected finite weights")
    }
    if let value = firstOverflow(values, type) {
      throw TregError.badData(at: place, "tensor \(tensor) holds \(value), which does not fit \(type.rawValue)")
    }
  }

  /// The first number that rounding to a type would make infinite.
  static func firstOverflow(_ values: UnsafeBufferPointer<Float>, _ type: StorageType) -> Float? {
    // Half the way from the largest number of the type to the next power of two.
    let limit: Float
    switch type {
    case .float32: return nil
    case .float16: limit = 65_520
    case .bfloat16: limit = Float(bitPattern: 0x7F7F_8000)
    }
    return values.first { abs($0) >= limit }
  }
}
