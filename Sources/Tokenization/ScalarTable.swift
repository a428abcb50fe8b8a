/// A value for every code point, in pages of 256 of which equal ones are kept once.
struct ScalarTable<Value: Sendable>: Sendable {
  private static var pageCount: Int { 0x1100 }

  /// The page of each code point's upper bits; page 0 has the standard value throughout.
  private var pages: [UInt16]
  private var values: [Value]
  private let standard: Value

  init(_ standard: Value) {
    self.standard = standard
    pages = [UInt16](repeating: 0, count: Self.pageCount)
    values = [Value](repeating: standard, count: 256)
  }

  @inline(__always)
  subscript(scalar: UInt32) -> Value { values[Int(pages[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)] }

  mutating func change(_ scalar: UInt32, _ body: (inout Value) -> Void) {
    let page = Int(scalar >> 8)
    if pages[page] == 0 {
      pages[page] = UInt16(values.count >> 8)
      values.append(contentsOf: repeatElement(standard, count: 256))
    }
    body(&values[Int(pages[page]) << 8 | Int(scalar & 0xFF)])
  }

  /// Calls `body` with every character of a written table and its target, which is empty in tables of characters alone:
  /// `C0:41+300`, `FF01-FF5E:21`, `300-314`, in hexadecimal.
  static func forEachRange(_ table: String, _ body: (UInt32, [UInt32]) -> Void) {
    var numbers: [UInt32] = []
    var number: UInt32 = 0
    var hasDigits = false
    var isRange = false
    func flush() {
      guard hasDigits else { return }
      numbers.append(number)
      let first = numbers[0]
      let last = isRange ? numbers[1] : first
      let target = Array(numbers.dropFirst(isRange ? 2 : 1))
      for scalar in first...last { body(scalar, first == last ? target : target.map { $0 + scalar - first }) }
      numbers.removeAll(keepingCapacity: true)
      number = 0
      hasDigits = false
      isRange = false
    }
    for byte in table.utf8 {
      switch byte {
      case UInt8(ascii: " "), UInt8(ascii: "\n"): flush()
      case UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "+"):
        if byte == UInt8(ascii: "-") { isRange = true }
        numbers.append(number)
        number = 0
      default:
        number = number << 4 | UInt32(byte <= UInt8(ascii: "9") ? byte & 0x0F : byte - UInt8(ascii: "A") + 10)
        hasDigits = true
      }
    }
    flush()
  }
}
