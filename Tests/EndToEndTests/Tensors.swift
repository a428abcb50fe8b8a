import Foundation
import OrderedJSON

/// The tiny model's weight file, taken apart and put together wrong.
enum Tensors {
  /// The file with fp32 values of its payload changed.
  static func changed(in model: String, _ change: (UnsafeMutableBufferPointer<Float>) -> Void) throws -> [UInt8] {
    let (header, payload) = try parts(of: model)
    var values = payload.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    values.withUnsafeMutableBufferPointer { change($0) }
    return file(header: header, payload: values.withUnsafeBytes { Array($0) })
  }

  /// The file with its header's text changed.
  static func relabelled(in model: String, _ old: String, _ new: String) throws -> [UInt8] {
    let (header, payload) = try parts(of: model)
    precondition(header.contains(old), "no \(old) in \(header)")
    return file(header: header.replacing(old, with: new, maxReplacements: 1), payload: payload)
  }

  private static func parts(of model: String) throws -> (header: String, payload: [UInt8]) {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: model + "/model.safetensors")))
    let length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    return (String(decoding: bytes[8..<8 + length], as: UTF8.self), Array(bytes[(8 + length)...]))
  }

  private static func file(header: String, payload: [UInt8]) -> [UInt8] {
    let text = Array(header.utf8)
    return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text + payload
  }
}
