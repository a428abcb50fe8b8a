import CKernels
import Compute
import ModelDescription

/// Times what a training step is made of, at a model's shapes: products, attention, elementwise kernels.
///
/// Every kernel runs on one thread and on all threads at once, each thread on memory of its own.
package struct KernelBenchmark {
  /// One kernel on so many threads.
  package struct Measurement: Sendable {
    /// What bounds a kernel, and what its rate is counted in.
    package enum Work: Sendable {
      case operations(Double)
      case bytes(Double)
    }

    package let name: String
    package let threads: Int
    /// Of all threads together.
    package let work: Work
    /// Of the fastest repeat.
    package let seconds: Double

    /// Operations or bytes per second, in units of 10⁹.
    package var rate: Double {
      switch work {
      case .operations(let count), .bytes(let count): count / max(seconds, 1e-9) / 1e9
      }
    }
  }

  private let shape: ModelShape
  private let tokens: Int
  private let workers: Workers
  private let clock: () -> Double

  /// - Parameters:
  ///   - tokens: rows of a product and of the elementwise kernels; the length of the sequence that attention sees.
  ///   - clock: seconds since some moment.
  package init(_ description: ModelDescription, tokens: Int, workers: Workers, clock: @escaping () -> Double) {
    precondition(tokens > 0, "kernels need tokens to work on")
    shape = ModelShape(description)
    self.tokens = tokens
    self.workers = workers
    self.clock = clock
  }

  package func run() -> [Measurement] { memory() + products() + attention() + elementwise() }

  /// Times `body`, which gets a buffer of `floats` that no other thread uses, on one thread and on all.
  private func time(
    _ name: String, floats: Int, work: Measurement.Work, _ body: (UnsafeMutablePointer<Float>) -> Void
  ) -> [Measurement] {
    let buffers = (0..<workers.threads).map { _ in
      FloatBuffer(variedCount: floats)
    }
    return Set([1, workers.threads]).sorted().map { threads in
      var best = Double.infinity
      var spent = 0.0
      var repeats = 0
      while repeats < 3 || (spent < 0.2 && repeats < 200) {
        let start = clock()
        workers.run(threads) { item, _ in body(buffers[item].pointer) }
        let seconds = clock() - start
        best = min(best, seconds)
        spent += seconds
        repeats += 1
      }
      let total: Measurement.Work =
        switch work {
        case .operations(let count): .operations(count * Double(threads))
        case .bytes(let count): .bytes(count * Double(threads))
        }
      return Measurement(name: name, threads: threads, work: total, seconds: best)
    }
  }

  /// A copy far larger than any cache: what elementwise kernels can reach at best.
  private func memory() -> [Measurement] {
    let count = 1 << 24
    return time("copy in memory", floats: 2 * count, work: .bytes(8 * Double(count))) { memory in
      (memory + count).update(from: memory, count: count)
    }
  }

  private func products() -> [Measurement] {
    let shapes = [
      ("q|k|v", shape.qkvWidth, shape.width), ("o", shape.width, shape.queryWidth),
      ("gate|up", shape.mlpInputWidth, shape.width), ("down", shape.width, shape.mlpWidth),
    ]
    let rows = Activations.panels(tokens, threads: workers.threads).size
    return shapes.flatMap { name, outputs, inputs -> [Measurement] in
      let x = rows * inputs
      let y = x + rows * outputs
      let floats = y + outputs * inputs
      let operations = Measurement.Work.operations(2 * Double(rows * outputs * inputs))
      let label = "\(name) \(rows)×\(outputs)×\(inputs)"
      return time("forward \(label)", floats: floats, work: operations) { memory in
        MatrixMultiply.forward(
          y: memory + x, x: memory, w: memory + y, rows: rows, outputs: outputs, inputs: inputs)
      }
        + time("backward \(label)", floats: floats, work: operations) { memory in
          MatrixMultiply.backwardInput(
            dx: memory, dy: memory + x, w: memory + y, rows: rows, outputs: outputs, inputs: inputs)
        }
    }
  }

  /// One layer's attention of one sequence; operations are those of the triangle that is needed.
  private func attention() -> [Measurement] {
    let attention = TreeAttention(heads: shape.heads, keyValueHeads: shape.keyValueHeads, headWidth: shape.headWidth)
    let traits = shape.layers[0].attention
    let batch = PackedBatch([
      TokenTree([ScoredSequence(tokens: [Int32](repeating: 0, count: tokens), scored: tokens - 1..<tokens)])
    ])
    var forwardItems: [TreeAttention.ForwardItem] = []
    var backwardItems: [TreeAttention.BackwardItem] = []
    attention.listForward(batch, in: &forwardItems)
    attention.listBackward(batch, in: &backwardItems)
    let scratch = attention.scratchCount(longest: tokens)
    let qkv = tokens * shape.qkvWidth
    let output = tokens * shape.queryWidth
    let triangle = Double(tokens) * Double(tokens + 1) * Double(shape.queryWidth)
    let forward = time(
      "attention forward, \(tokens) tokens", floats: qkv + output + shape.heads * tokens + scratch,
      work: .operations(2 * triangle)
    ) { memory in
      for item in forwardItems {
        attention.forward(
          item: item, traits, batch: batch, output: memory + qkv, lse: memory + qkv + output, qkv: memory,
          memory: memory + qkv + output + shape.heads * tokens, longest: tokens)
      }
    }
    let backward = time(
      "attention backward, \(tokens) tokens", floats: 2 * qkv + 2 * output + shape.heads * tokens + scratch,
      work: .operations(5 * triangle)
    ) { memory in
      let lse = memory + 2 * qkv + 2 * output
      // Probabilities stay far below 1 with a large sum.
      lse.update(repeating: 8, count: shape.heads * tokens)
      for item in backwardItems {
        attention.backward(
          item: item, traits, batch: batch, dqkv: memory + qkv, doutput: memory + 2 * qkv,
          output: memory + 2 * qkv + output,
          lse: lse, qkv: memory, memory: lse + shape.heads * tokens, longest: tokens)
      }
    }
    return forward + backward
  }

  /// Bytes are those that a kernel has to read and write once.
  private func elementwise() -> [Measurement] {
    let rows = Int64(Activations.panels(tokens, threads: workers.threads).size)
    let width = Int64(shape.width)
    let mlp = Int64(shape.mlpWidth)
    let state = Int(rows * width)
    let product = Int(rows * mlp)
    let vocabulary = Int64(shape.vocabulary)
    let updated = 1 << 20
    return time("norm", floats: 2 * state + Int(width + rows), work: .bytes(8 * Double(state))) { memory in
      tk_rms_norm(memory + state, memory + 2 * state + Int(width), memory, memory + 2 * state, 0, 1e-5, rows, width)
    }
      + time("norm backward", floats: 3 * state + Int(2 * width + rows), work: .bytes(16 * Double(state))) { memory in
        let weights = memory + 3 * state
        tk_rms_norm_backward(
          memory, weights, memory + state, memory + 2 * state, weights + Int(width), 0, weights + Int(2 * width),
          rows, width)
      }
      + time("gate", floats: 3 * product, work: .bytes(12 * Double(product))) { memory in
        tk_gated(memory + 2 * product, memory, rows, mlp, shape.activation)
      }
      + time("gate backward", floats: 6 * product, work: .bytes(24 * Double(product))) { memory in
        tk_gated_backward(
          memory + 2 * product, memory + 4 * product, memory + 5 * product, memory, rows, mlp, shape.activation)
      }
      + time("log-sum-exp of a row of logits", floats: Int(vocabulary), work: .bytes(4 * Double(vocabulary))) {
        memory in
        // The result has to be used for the call to stay.
        memory[0] = tk_log_sum_exp(memory, vocabulary) > 1e9 ? 1 : 0
      }
      + time("adamw", floats: 4 * updated, work: .bytes(28 * Double(updated))) { memory in
        tk_adamw(
          memory, memory + updated, memory + 2 * updated, memory + 3 * updated, 1, 1e-9, 0.9, 0.999, 1e-8, 0, 1, 1,
          Int64(updated))
      }
  }
}
