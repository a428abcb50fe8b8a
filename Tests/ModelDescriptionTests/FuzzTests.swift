import Foundation
import FuzzSupport
import ModelDescription
import OrderedJSON
import RunFolder
import Testing

/// Damaged `config.json` files are read or refused with an error for users, never worse; see ``Fuzz``.
@Suite struct FuzzTests {
  /// The configurations that the golden files of the layers have.
  private static let corpus: [[UInt8]] = {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "TransformerTests/Golden/architectures").path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()) ?? []
    return names.compactMap { try? FileSystem.readBytes("\(folder)/\($0)/config.json") }
  }()

  @Test func configurations() throws {
    try #require(Self.corpus.count > 12)
    let tokens = [
      "\"rope_type\": \"yarn\"", "\"rope_type\": \"dynamic\"", "\"rope_type\": \"longrope\"",
      "\"rope_type\": \"llama3\"",
      "\"factor\": 1e300,", "\"head_dim\": 2,", "\"head_dim\": 4096,", "\"layer_types\": null,", "null", "[]", "{}",
      "1e-300", "0.5", "-1", "\"sliding_window\": 1,", "\"partial_rotary_factor\": 0.5,",
      "\"original_max_position_embeddings\": 1,", "\"no_rope_layer_interval\": 1,", "\"n_inner\": null,",
    ].map { Array($0.utf8) }
    let report = try Fuzz.run("configuration", corpus: Self.corpus, tokens: tokens, front: 1 << 20) { bytes in
      do {
        let json = try JSONValue(parsing: bytes)
        let model = try ModelDescription(configuration: json, place: "config.json")
        // What everything else relies on.
        var end = 0
        for parameter in model.parameters {
          guard parameter.offset >= end, parameter.count > 0 else { throw Finding(parameter: parameter.name) }
          end = parameter.range.upperBound
        }
        guard end <= model.bufferCount, model.layers.count == model.layerCount else { throw Finding(parameter: "all") }
        for rope in model.ropes {
          for regime in [0, rope.regime(length: 1), rope.regime(length: 1 << 20)] {
            let frequencies = rope.inverseFrequencies(headDimension: model.rotaryDimension, regime: regime)
            guard frequencies.count == model.rotaryDimension / 2 else { throw Finding(parameter: "rope") }
          }
        }
        return true
      } catch is JSONError {
        return false
      } catch let error as TregError {
        guard error.exitCode == .badData else { throw error }
        return false
      }
    }
    #expect(report.sawBoth)
  }

  private struct Finding: Error {
    let parameter: String
  }
}
