import Foundation
import FuzzSupport
import ModelDescription
import Transformer

/// The model written down plainly in double precision, one sequence at a time: the truth that the fast one is held to.
struct PlainModel {
  let description: ModelDescription
  var weights: [Double]

  init(_ description: ModelDescription, seed: UInt64) {
    self.description = description
    var random = Mutator(seed: seed)
    weights = [Double](repeating: 0, count: description.bufferCount)
    for parameter in description.parameters {
      for index in parameter.range {
        let noise = random.normal()
        // Rounded to fp32, so that both models start from equal weights.
        weights[index] = Double(Float(parameter.kind == .norm ? 1 + 0.2 * noise : 0.15 * noise))
      }
    }
  }

  private func tensor(_ name: String) -> ArraySlice<Double>? {
    description.parameter(named: name).map { weights[$0.range] }
  }

  private func linear(_ x: [[Double]], _ name: String) -> [[Double]] {
    let weight = Array(tensor(name + ".weight")!)
    let bias = tensor(name + ".bias").map(Array.init)
    let inputs = x[0].count
    return x.map { row in
      (0..<weight.count / inputs).map { output in
        var sum = bias?[output] ?? 0
        for index in 0..<inputs { sum += weight[output * inputs + index] * row[index] }
        return sum
      }
    }
  }

  private func norm(_ x: [[Double]], _ name: String) -> [[Double]] {
    let weight = Array(tensor(name + ".weight")!)
    return x.map { row in
      let scale =
        1 / (row.map { $0 * $0 }.reduce(0, +) / Double(row.count) + Double(description.norm.epsilon)).squareRoot()
      return zip(row, weight).map { $0 * scale * $1 }
    }
  }

  private func rotated(_ row: ArraySlice<Double>, position: Int) -> [Double] {
    let x = Array(row)
    let half = x.count / 2
    return x.indices.map { index in
      let angle = Double(
        Float(position) * description.ropes[0].inverseFrequencies(headDimension: x.count)[index % half])
      return index < half
        ? x[index] * cos(angle) - x[index + half] * sin(angle) : x[index] * cos(angle) + x[index - half] * sin(angle)
    }
  }

  /// log π of tokens 1… of the sequence.
  func logProbs(_ tokens: [Int32]) -> [Double] {
    let d = description.headDimension
    let embedding = Array(tensor("model.embed_tokens.weight")!)
    let width = description.width
    var x = tokens.map { Array(embedding[Int($0) * width..<(Int($0) + 1) * width]) }
    for layer in 0..<description.layerCount {
      let prefix = "model.layers.\(layer)."
      let n = norm(x, prefix + "input_layernorm")
      let q = linear(n, prefix + "self_attn.q_proj")
      let k = linear(n, prefix + "self_attn.k_proj")
      let v = linear(n, prefix + "self_attn.v_proj")
      var mixed = [[Double]](repeating: [], count: tokens.count)
      for head in 0..<description.headCount {
        let shared = head / (description.headCount / description.keyValueHeadCount)
        let keys = k.enumerated().map { rotated($1[shared * d..<(shared + 1) * d], position: $0) }
        for t in tokens.indices {
          let query = rotated(q[t][head * d..<(head + 1) * d], position: t)
          let scores = (0...t).map { s in zip(query, keys[s]).map(*).reduce(0, +) / Double(d).squareRoot() }
          let top = scores.max()!
          let shares = scores.map { exp($0 - top) }
          let sum = shares.reduce(0, +)
          for index in 0..<d {
            mixed[t].append((0...t).map { shares[$0] / sum * v[$0][shared * d + index] }.reduce(0, +))
          }
        }
      }
      let attention = linear(mixed, prefix + "self_attn.o_proj")
      x = zip(x, attention).map { zip($0, $1).map(+) }
      let m = norm(x, prefix + "post_attention_layernorm")
      let gate = linear(m, prefix + "mlp.gate_proj")
      let up = linear(m, prefix + "mlp.up_proj")
      let product = zip(gate, up).map { zip($0, $1).map { $0 / (1 + exp(-$0)) * $1 } }
      x = zip(x, linear(product, prefix + "mlp.down_proj")).map { zip($0, $1).map(+) }
    }
    let hidden = norm(x, "model.norm")
    let head = Array(tensor("lm_head.weight") ?? tensor("model.embed_tokens.weight")!)
    return (1..<tokens.count).map { t in
      let logits = (0..<description.vocabularySize).map { v in
        (0..<width).map { head[v * width + $0] * hidden[t - 1][$0] }.reduce(0, +)
      }
      let top = logits.max()!
      return logits[Int(tokens[t])] - top - log(logits.map { exp($0 - top) }.reduce(0, +))
    }
  }

  /// Σ coefficients · log π over the scored tokens of the sequences.
  func objective(_ sequences: [ScoredSequence], _ coefficients: [Double]) -> Double {
    var sum = 0.0
    var next = 0
    for sequence in sequences {
      let values = logProbs(sequence.tokens)
      for index in sequence.scored {
        sum += coefficients[next] * values[index - 1]
        next += 1
      }
    }
    return sum
  }
}

extension RandomNumberGenerator {
  /// Of the standard normal distribution, by the transform of Box and Muller.
  mutating func normal() -> Double {
    let u = Double.random(in: 1e-12..<1, using: &self)
    return (-2 * log(u)).squareRoot() * cos(2 * .pi * Double.random(in: 0..<1, using: &self))
  }
}
