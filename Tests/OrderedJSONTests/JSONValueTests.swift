import OrderedJSON
import Testing

@Suite struct JSONValueTests {
  @Test func keepsOrderAndKindsOfNumbers() throws {
    let value = try JSONValue(parsing: #"{"b": 1, "a": [1.0, -2e3, true, null, "x\u00e9\ud83d\ude00\n"]}"#)
    #expect(value.object?.keys == ["b", "a"])
    #expect(value["b"] == .integer(1))
    #expect(value["a"]?.array == [.number(1), .number(-2000), .bool(true), .null, .string("xé😀\n")])
    #expect(value.text() == #"{"b": 1, "a": [1.0, -2000.0, true, null, "xé😀\n"]}"#)
  }

  /// U+00C5 and U+212B are one character to Swift's strings and two tokens to a vocabulary.
  @Test func namesAreComparedByteByByte() throws {
    let value = try JSONValue(parsing: "{\"\u{C5}\": 1, \"\u{212B}\": 2, \"A\u{30A}\": 3, \"\u{C5}\": 4}")
    #expect(value.object?.map { $0.value } == [4, 2, 3])
    #expect(value["\u{212B}"] == 2)
    #expect(value["\u{C5}"] == 4)
  }

  @Test(arguments: [
    ("{\"a\": 1,\n \"b\" 2}", 2, 6), ("[1, 2", 1, 6), ("[01]", 1, 2), ("\"\\ud800\"", 1, 2), ("[1] 2", 1, 5),
    ("", 1, 1), ("\"a", 1, 1),
  ])
  func namesLineAndColumn(text: String, line: Int, column: Int) {
    #expect {
      _ = try JSONValue(parsing: text)
    } throws: { error in
      guard let error = error as? JSONError else { return false }
      return error.line == line && error.column == column
    }
  }

  @Test func refusesBadUTF8AndDepth() {
    #expect(throws: JSONError.self) { _ = try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
    #expect(throws: JSONError.self) {
      _ = try JSONValue(parsing: String(repeating: "[", count: 200) + String(repeating: "]", count: 200))
    }
  }

  @Test func survivesARoundTrip() throws {
    let text = #"{"z": {"y": [], "x": {}}, "w": "\u0001\"\\"}"#
    let value = try JSONValue(parsing: text)
    #expect(try JSONValue(parsing: value.text(.indented(2))) == value)
    #expect(value.text() == text)
  }
}
