import ModelFiles
import OrderedJSON
import RunFolder
import Testing

@Suite struct SafetensorsTests {
  @Test func readsWhatPyTorchRounded() throws {
    let file = try SafetensorsFile(FileSystem.join(golden, "rounding.safetensors"))
    #expect(file.names == ["bfloat16", "exact", "float16"])
    let exact = try file.values(of: "exact")
    let brain = try file.values(of: "bfloat16")
    let half = try file.values(of: "float16")
    #expect(exact.count == 530)
    for (index, value) in exact.enumerated() {
      // Half a unit in the last place of each type's mantissa, or of its smallest subnormal.
      #expect(abs(brain[index] - value) <= abs(value) / 256)
      if value.magnitude < 65_519 { #expect(abs(half[index] - value) <= max(abs(value) / 2048, 0x1p-25)) }
    }
  }

  @Test(
    arguments: [
      (safetensors("{}", [], length: 1 << 62), "claims 4611686018427387904 bytes"),
      (safetensors("{}", [], length: 99_000_000), "truncated: the header takes 99000000 bytes"),
      (Array("short".utf8), "expected at least 8"),
      (safetensors("[1]", []), "must be an object"),
      (safetensors("{\"a\": ", []), "the header is not JSON"),
      (
        safetensors(#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}"#, bytes([1])),
        "truncated: the header describes"
      ),
      (
        safetensors(#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#, bytes([1, 2])),
        "its header describes"
      ),
      (
        safetensors(#"{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}"#, bytes([1, 2])),
        "expected 12 for F32"
      ),
      (
        safetensors(#"{"a": {"dtype": "Q9", "shape": [2], "data_offsets": [0, 8]}}"#, bytes([1, 2])), "unknown dtype Q9"
      ),
      (
        safetensors(#"{"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}"#, bytes([1, 2])),
        "shape [-2] is impossible"
      ),
      (
        safetensors(
          #"{"a": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 8]}}"#, bytes([1, 2])),
        "is impossible"
      ),
      (
        safetensors(#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}"#, bytes([1, 2])),
        "two rising byte positions"
      ),
      (
        safetensors(
          #"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}"#,
          bytes([1, 2])), "tensor b starts at byte 4 of the data, expected 8"
      ),
      (
        // Two names for JSON, one for Swift's dictionaries.
        safetensors(
          #"{"\u00c5": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "\u212b": {"dtype": "F32", "shape": [0], "data_offsets": [8, 8]}}"#,
          bytes([1, 2])), "stands twice"
      ),
    ] as [([UInt8], String)])
  func refusesBrokenFiles(content: [UInt8], message: String) throws {
    let scratch = try Scratch()
    let path = try scratch.write("x.safetensors", content)
    let error = userError { _ = try SafetensorsFile(path) }
    #expect(error?.exitCode == .badData)
    #expect(error?.place == path)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "no error")")
  }

  @Test func namesATypeThatIsNoWeight() throws {
    let scratch = try Scratch()
    let path = try scratch.write(
      "x.safetensors", safetensors(#"{"a": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}"#, bytes([1, 2])))
    let file = try SafetensorsFile(path)
    #expect(userError { _ = try file.values(of: "a") }?.message == "tensor a has dtype I64, expected F32, F16 or BF16")
  }

  @Test func readsShardsAndNamesAMissingOne() throws {
    let scratch = try Scratch()
    try scratch.write(
      "one.safetensors", safetensors(#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}"#, bytes([1, 2])))
    try scratch.write(
      "two.safetensors", safetensors(#"{"b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#, bytes([3])))
    let index = "model.safetensors.index.json"
    try scratch.write(index, #"{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}"#)
    let folder = try SafetensorsFolder(scratch.path)
    #expect(folder.names == ["a", "b"])
    #expect(try folder.values(of: "b") == [3])
    #expect(folder.shape(of: "a") == [2] && folder.shape(of: "c") == nil)

    try scratch.write(index, #"{"weight_map": {"a": "one.safetensors", "b": "gone.safetensors"}}"#)
    let missing = userError { _ = try SafetensorsFolder(scratch.path) }
    #expect(missing?.exitCode == .inputMissing && missing?.place == scratch.file("gone.safetensors"))
    try scratch.write(index, #"{"weight_map": {"a": "two.safetensors", "b": "two.safetensors"}}"#)
    #expect(userError { _ = try SafetensorsFolder(scratch.path) }?.message.contains("tensor a is listed in") == true)
    // Two names for JSON, one for Swift's dictionaries.
    try scratch.write(index, "{\"weight_map\": {\"\u{C5}\": \"one.safetensors\", \"\u{212B}\": \"one.safetensors\"}}")
    #expect(userError { _ = try SafetensorsFolder(scratch.path) }?.message.contains("stands twice") == true)
    try scratch.write(index, #"{"weight_map": {"a": "../one.safetensors"}}"#)
    #expect(userError { _ = try SafetensorsFolder(scratch.path) }?.message.contains("of this folder") == true)
    try scratch.write(index, "{")
    #expect(userError { _ = try SafetensorsFolder(scratch.path) }?.message.contains("not valid JSON") == true)
  }
}
