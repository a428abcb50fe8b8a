import Foundation
import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing

/// Weights in memory, to be damaged one by one.
struct FakeWeights: WeightSource {
  var tensors: [String: (shape: [Int], values: [Float])] = [:]
  var place: String { "fake" }
  var files: [String] { [] }
  var names: [String] { tensors.keys.sorted() }
  func shape(of name: String) -> [Int]? { tensors[name]?.shape }
  func requireReadable(_ name: String) throws {}
  func storedType(of name: String) -> String? { tensors[name] == nil ? nil : "F32" }
  func read(_ name: String, into values: inout MutableSpan<Float>) throws {
    for (index, value) in (tensors[name]?.values ?? []).enumerated() { values[index] = value }
  }
}

@Suite struct LoadingTests {
  let model: ModelDescription
  let whole: FakeWeights

  init() throws {
    model = try ModelSource.open(FileSystem.join(golden, "tiny")).model
    var weights = FakeWeights()
    for (index, parameter) in model.parameters.enumerated() {
      weights.tensors[parameter.name] = (
        parameter.shape, (0..<parameter.count).map { Float(index) + Float($0) / 10_000 }
      )
    }
    whole = weights
  }

  @Test func putsEveryTensorInItsPlace() throws {
    let values = try load(whole, model)
    var covered = Set<Int>()
    for parameter in model.parameters {
      #expect(Array(values[parameter.range]) == whole.tensors[parameter.name]?.values)
      covered.formUnion(parameter.range)
    }
    #expect(values.indices.allSatisfy { covered.contains($0) || values[$0] == 0 })
    #expect(try whole.unusedNames(by: model).isEmpty)
  }

  @Test func acceptsOtherSpellings() throws {
    let expected = try load(whole, model)
    var bare = FakeWeights()
    for (name, tensor) in whole.tensors { bare.tensors[String(name.dropFirst("model.".count))] = tensor }
    bare.tensors["rotary_emb.inv_freq"] = ([4], [1, 2, 3, 4])
    #expect(try load(bare, model) == expected)
    #expect(try bare.unusedNames(by: model) == ["rotary_emb.inv_freq"])

    var head = whole
    head.tensors["lm_head.weight"] = head.tensors["model.embed_tokens.weight"]
    #expect(try load(head, model) == expected)
    #expect(try head.unusedNames(by: model).isEmpty)
    head.tensors["model.embed_tokens.weight"] = nil
    #expect(try load(head, model) == expected)
  }

  @Test func namesTheTensorThatIsWrong() throws {
    func message(_ change: (inout FakeWeights) -> Void) -> String? {
      var weights = whole
      change(&weights)
      let error = userError { _ = try load(weights, model) }
      #expect(error?.exitCode == .badData && error?.place == "fake")
      return error?.message
    }
    let name = "model.layers.1.mlp.up_proj.weight"
    #expect(message { $0.tensors[name] = nil } == "tensor \(name) is missing; 19 tensors are there")
    #expect(message { $0.tensors = [:] }?.contains("and 19 more is missing") == true)
    #expect(
      message { $0.tensors[name]?.shape = [24, 40] }
        == "tensor \(name) has shape [24, 40], expected [40, 24] from config.json")
    for bad in [Float.nan, .infinity, -.infinity] {
      #expect(message { $0.tensors[name]?.values[5] = bad }?.hasPrefix("tensor \(name) holds") == true)
    }
    #expect(
      message { weights in
        weights.tensors["lm_head.weight"] = weights.tensors["model.embed_tokens.weight"]
        weights.tensors["lm_head.weight"]?.values[0] += 1
      }?.contains("differs from") == true)
  }
}
