import ModelDescription
import OrderedJSON
import RunFolder

/// Writes one safetensors file, tensor after tensor, converting from fp32 on the way.
package enum SafetensorsWriter {
  /// - Parameter tensor: calls its second argument once with the values of the first.
  /// - Throws: ``TregError``: 79 naming the tensor when a value is not finite, 65 when one does not fit the type.
  @discardableResult
  package static func write(
    _ parameters: [Parameter], as type: StorageType, to path: String,
    tensor: (Parameter, (UnsafeBufferPointer<Float>) throws -> Void) throws -> Void
  ) throws -> FileDigest {
    let header = Self.header(parameters, as: type)
    let scratch = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: Conversion.piece)
    defer { scratch.deallocate() }
    return try AtomicFile.write(to: path) { writer in
      var length = UInt64(header.count).littleEndian
      try withUnsafeBytes(of: &length) { try writer.write($0) }
      try writer.write(header)
      for parameter in parameters {
        try tensor(parameter) { values in
          precondition(values.count == parameter.count, "tensor \(parameter.name) has another size")
          let stored = parameter.isStoredTransposed ? Transposition.stored(values, parameter) : nil
          defer { stored?.deallocate() }
          let values = stored.map { UnsafeBufferPointer($0) } ?? values
          try Self.check(values, parameter, type, path)
          if type == .float32 {
            try writer.write(UnsafeRawBufferPointer(values))
            return
          }
          var done = 0
          while done < values.count {
            let count = min(scratch.count, values.count - done)
            let source = values.baseAddress! + done
            if type == .bfloat16 {
              for index in 0..<count { scratch[index] = StorageType.narrowToBrain(source[index]) }
            } else {
              for index in 0..<count { scratch[index] = StorageType.narrowToHalf(source[index]) }
            }
            try writer.write(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: scratch[..<count])))
            done += count
          }
        }
      }
      return writer.digest
    }
  }

  /// The header's JSON, padded with blanks so that the data start at a multiple of 8 bytes.
  private static func header(_ parameters: [Parameter], as type: StorageType) -> [UInt8] {
    var members: JSONObject = ["__metadata__": ["format": "pt"]]
    var end = 0
    for parameter in parameters {
      let start = end
      end += parameter.count * type.byteCount
      members[parameter.name] = [
        "dtype": .string(type.safetensorsName), "shape": .array(parameter.storedShape.map(JSONValue.integer)),
        "data_offsets": [.integer(start), .integer(end)],
      ]
    }
    var bytes = Array(JSONValue.object(members).text().utf8)
    while bytes.count % 8 != 0 { bytes.append(UInt8(ascii: " ")) }
    return bytes
  }

  private static func check(
    _ values: UnsafeBufferPointer<Float>, _ parameter: Parameter, _ type: StorageType, _ path: String
  ) throws {
    if let index = Conversion.firstNonFinite(values) {
      throw TregError(
        .nonFinite, at: path,
        "tensor \(parameter.name) holds \(values[index]) at element \(index), expected finite weights"
      )
    }
    if let value = Conversion.firstOverflow(values, type) {
      throw TregError.badData(at: path, "tensor \(parameter.name) holds \(value), which does not fit \(type.rawValue)")
    }
  }
}
