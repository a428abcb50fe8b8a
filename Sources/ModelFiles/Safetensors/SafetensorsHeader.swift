import OrderedJSON
import RunFolder

/// The table at the start of a safetensors file: eight bytes of length, then JSON that gives each tensor's type, shape
/// and bytes. Format: https://github.com/huggingface/safetensors, "Format".
struct SafetensorsHeader {
  struct Entry: Sendable {
    /// As written, such as `BF16`.
    let type: String
    let shape: [Int]
    /// Bytes of the file.
    let range: Range<Int>
  }

  let entries: [String: Entry]

  /// The limit that the format's own library sets.
  static let maximumLength = 100_000_000

  init(of file: RandomAccessFile) throws {
    func failure(_ message: String) -> TregError { .badData(at: file.path, message) }
    guard file.size >= 8 else {
      throw failure("not a safetensors file: it has \(file.size) bytes, expected at least 8")
    }
    let length = try file.bytes(at: 0, count: 8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(Self.maximumLength) else {
      throw failure(
        "not a safetensors file: its header claims \(length) bytes, at most \(Self.maximumLength) are allowed")
    }
    guard Int(length) <= file.size - 8 else {
      throw failure("truncated: the header takes \(length) bytes, the file has \(file.size - 8) after its first 8")
    }
    let object: JSONValue
    do {
      object = try JSONValue(parsing: file.bytes(at: 8, count: Int(length)), maximumDepth: 8)
    } catch let error as JSONError {
      throw failure("the header is not JSON: \(error)")
    }
    guard let members = object.object else { throw failure("the header must be an object, found \(object.kind)") }

    let start = 8 + Int(length)
    var entries: [String: Entry] = [:]
    for (name, value) in members where name != "__metadata__" {
      let entry = try Self.entry(name, value, start: start, place: file.path)
      // Names that differ only in how an accented letter is spelled are one name from here on.
      guard entries.updateValue(entry, forKey: name) == nil else { throw failure("tensor \(name) stands twice") }
    }
    // Ranges must cover the data without gap or overlap, as the format demands: whatever else is in there would not
    // survive a copy, and bytes with two meanings are the sign of a broken writer.
    var end = start
    for (name, entry) in entries.sorted(by: {
      ($0.value.range.lowerBound, $0.value.range.upperBound) < ($1.value.range.lowerBound, $1.value.range.upperBound)
    }) {
      guard entry.range.lowerBound == end else {
        throw failure(
          "tensor \(name) starts at byte \(entry.range.lowerBound - start) of the data, expected \(end - start)")
      }
      end = entry.range.upperBound
    }
    guard end <= file.size else {
      throw failure("truncated: the header describes \(end) bytes, the file has \(file.size)")
    }
    guard end == file.size else {
      throw failure("the file has \(file.size) bytes, its header describes \(end)")
    }
    self.entries = entries
  }

  private static func entry(_ name: String, _ value: JSONValue, start: Int, place: String) throws -> Entry {
    func failure(_ message: String) -> TregError { .badData(at: place, "tensor \(name): \(message)") }
    guard let type = value["dtype"]?.string else { throw failure("dtype is missing or not a string") }
    guard let bits = bitWidths[type] else { throw failure("unknown dtype \(type)") }
    guard let shape = value["shape"]?.array?.map(\.integer), !shape.contains(nil) else {
      throw failure("shape must be a list of whole numbers")
    }
    var count = 1
    for case let size? in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard size >= 0, !overflow else { throw failure("shape \(shape.compactMap(\.self)) is impossible") }
      count = product
    }
    guard let offsets = value["data_offsets"]?.array?.compactMap(\.integer), offsets.count == 2,
      offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] < Int.max - start
    else { throw failure("data_offsets must be two rising byte positions") }
    let (size, overflow) = count.multipliedReportingOverflow(by: bits)
    guard !overflow, size % 8 == 0, offsets[1] - offsets[0] == size / 8 else {
      throw failure(
        "data_offsets span \(offsets[1] - offsets[0]) bytes, expected \(overflow ? "more" : "\(size / 8)") for \(type) of shape \(shape.compactMap(\.self))"
      )
    }
    return Entry(type: type, shape: shape.compactMap(\.self), range: (start + offsets[0])..<(start + offsets[1]))
  }

  private static let bitWidths: [String: Int] = [
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "U16": 16, "I16": 16, "F16": 16,
    "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64, "F4": 4,
    "F6_E2M3": 6, "F6_E3M2": 6,
  ]
}
