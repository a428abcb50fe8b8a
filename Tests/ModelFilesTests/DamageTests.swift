import ModelDescription
import ModelFiles
import RunFolder
import Testing

/// SplitMix64: the same damage on every run.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}

@Suite struct DamageTests {
  /// Changes one to four places, most of them in the front part, where the structure is.
  func damaged(_ bytes: [UInt8], front: Int, _ random: inout Seeded) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      guard !result.isEmpty else { return result }
      let limit = Bool.random(using: &random) || result.count <= front ? min(front, result.count) : result.count
      let place = Int.random(in: 0..<limit, using: &random)
      switch Int.random(in: 0..<8, using: &random) {
      case 0: result[place] = 0xFF
      case 1: result[place] = 0
      case 2: result.remove(at: place)
      case 3: result.insert(UInt8.random(in: 0...255, using: &random), at: place)
      case 4: result.removeLast(Int.random(in: 0...(result.count / 4), using: &random))
      default: result[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      }
    }
    return result
  }

  @Test func damagedSafetensorsNeverCrash() throws {
    let scratch = try Scratch()
    let good = try FileSystem.readBytes(FileSystem.join(golden, "rounding.safetensors"))
    var random = Seeded(state: 1)
    var refused = 0
    for _ in 0..<2000 {
      let path = try scratch.overwrite("x.safetensors", damaged(good, front: 240, &random))
      do {
        let file = try SafetensorsFile(path)
        for name in file.names { _ = try file.values(of: name) }
      } catch is TregError {
        refused += 1
      }
    }
    #expect(refused > 500 && refused < 2000)
  }

  @Test(arguments: ["quantised.gguf", "tiny.gguf"])
  func damagedGGUFNeverCrashes(name: String) throws {
    let scratch = try Scratch()
    let good = try FileSystem.readBytes(FileSystem.join(golden, name))
    var random = Seeded(state: 2)
    var refused = 0
    for _ in 0..<1500 {
      let path = try scratch.overwrite("x.gguf", damaged(good, front: 1200, &random))
      do {
        let file = try GGUFFile(path)
        for name in file.names { _ = try file.values(of: name) }
      } catch is TregError {
        refused += 1
      }
      do {
        let source = try ModelSource.open(path)
        _ = try load(source.weights, source.model)
      } catch is TregError {}
    }
    #expect(refused > 300)
  }
}
