import CKernels
import Compute

/// Attention of packed token trees: every segment sees its ancestors in full and itself causally.
///
/// Work is cut into blocks of query tokens; the query heads that share a key head are stacked into one matrix, so that
/// each product is a GEMM of 100 rows or more, and keys and values are read where the projection left them. Only one
/// block's scores exist at a time: memory grows with the length of a path, not with its square.
///
///     S = Q·Kᵀ,  P = softmax(z(S)),  z(S) = s·S or cap·tanh(s·S/cap),  O = P·V
///     dV = PᵀdO,  dP = dO·Vᵀ,  dS = P∘(dP − rowsum(dO∘O))∘z'(S),  dQ = dS·K,  dK = dSᵀQ
///
/// A token may see a window of positions only; keys that no query of a block sees are left out of its products.
struct TreeAttention {
  /// What differs from layer to layer.
  struct Traits {
    /// s, what scores are multiplied by.
    let scale: Float
    /// Bound of the scores; 0 for none.
    let cap: Float
    /// Positions a token sees, itself included; nil for all.
    let window: Int?
  }

  let heads: Int
  let keyValueHeads: Int
  let headWidth: Int

  private var group: Int { heads / keyValueHeads }
  private var stride: Int { (heads + 2 * keyValueHeads) * headWidth }
  private var outputStride: Int { heads * headWidth }
  /// Query tokens of a block: about 192 stacked rows.
  private var blockTokens: Int { min(max(192 / group, 16), 128) }

  /// One block of queries of one segment, for one key head.
  private struct Block {
    let segment: Int
    let start: Int
    let count: Int
  }

  /// Floats that one thread needs for paths of up to `longest` tokens.
  func scratchCount(longest: Int) -> Int {
    let rows = group * blockTokens
    return 3 * rows * headWidth + 2 * rows * (longest + 1) + 3 * rows
  }

  /// Scratch memory of one thread, cut up.
  private struct Desk {
    let query, gradient, result, scores, scoreGradients, lse, inverse, delta: UnsafeMutablePointer<Float>

    init(_ memory: UnsafeMutablePointer<Float>, rows: Int, width: Int, longest: Int) {
      query = memory
      gradient = query + rows * width
      result = gradient + rows * width
      scores = result + rows * width
      scoreGradients = scores + rows * (longest + 1)
      lse = scoreGradients + rows * (longest + 1)
      inverse = lse + rows
      delta = inverse + rows
    }
  }

  /// One block of queries and one key head.
  typealias ForwardItem = (segment: Int, start: Int, head: Int)
  /// One tree and one key head, and what the item costs.
  typealias BackwardItem = (tree: Int, head: Int, cost: Int)

  /// Lists the items of ``forward``: the blocks of all segments times the key heads.
  func listForward(_ batch: PackedBatch, in items: inout [ForwardItem]) {
    items.removeAll(keepingCapacity: true)
    for (index, segment) in batch.segments.enumerated() {
      for start in stride(from: 0, to: segment.tokens.count, by: blockTokens) {
        for head in 0..<keyValueHeads { items.append((index, start, head)) }
      }
    }
  }

  private func stride(from: Int, to: Int, by: Int) -> StrideTo<Int> { Swift.stride(from: from, to: to, by: by) }

  /// One item of the forward pass.
  ///
  /// - Parameters:
  ///   - output: [T, heads · headWidth].
  ///   - lse: log of the softmax's sum, [heads, T].
  ///   - qkv: [T, (heads + 2 keyValueHeads) · headWidth], rotated.
  ///   - memory: ``scratchCount(longest:)`` floats.
  func forward(
    item: ForwardItem, _ traits: Traits, batch: PackedBatch,
    output: UnsafeMutablePointer<Float>, lse: UnsafeMutablePointer<Float>, qkv: UnsafePointer<Float>,
    memory: UnsafeMutablePointer<Float>, longest: Int
  ) {
    let segment = batch.segments[item.segment]
    let count = min(blockTokens, segment.tokens.count - item.start)
    let first = segment.tokens.lowerBound + item.start
    let rows = group * count
    let desk = Desk(memory, rows: group * blockTokens, width: headWidth, longest: longest)
    gather(desk.query, from: qkv, rowStride: stride, column: item.head * group * headWidth, first: first, count: count)
    let position = segment.contextCount + item.start
    let lowest = firstSeen(from: position, traits)
    let columns = position + count - lowest
    forEachRun(segment, of: batch, from: lowest, upTo: item.start + count) { run, column in
      MatrixMultiply.forward(
        y: desk.scores + column, x: desk.query, w: key(qkv, run.lowerBound, item.head), rows: rows, outputs: run.count,
        inputs: headWidth, yStride: columns, wStride: stride)
    }
    tk_softmax_causal(
      desk.scores, desk.lse, desk.inverse, traits.scale, traits.cap, Int64(group), Int64(count), Int64(columns),
      Int64(position + 1 - lowest), Int64(traits.window ?? 0))
    forEachRun(segment, of: batch, from: lowest, upTo: item.start + count) { run, column in
      MatrixMultiply.backwardInput(
        dx: desk.result, dy: desk.scores + column, w: value(qkv, run.lowerBound, item.head), rows: rows,
        outputs: run.count, inputs: headWidth, dyStride: columns, wStride: stride, accumulate: column > 0)
    }
    for h in 0..<group {
      let head = item.head * group + h
      for i in 0..<count {
        let row = desk.result + (h * count + i) * headWidth
        let target = output + (first + i) * outputStride + head * headWidth
        let inverse = desk.inverse[h * count + i]
        for d in 0..<headWidth { target[d] = row[d] * inverse }
        lse[head * batch.tokenCount + first + i] = desk.lse[h * count + i]
      }
    }
  }

  /// Stacked query rows of every block and the keys they meet, for one key head.
  func blockSizes(_ batch: PackedBatch, _ traits: Traits) -> [(rows: Int, columns: Int)] {
    batch.segments.flatMap { segment in
      stride(from: 0, to: segment.tokens.count, by: blockTokens).map { start in
        let count = min(blockTokens, segment.tokens.count - start)
        let position = segment.contextCount + start
        return (rows: group * count, columns: position + count - firstSeen(from: position, traits))
      }
    }
  }

  /// Lists the items of ``backward``: trees times key heads, the costliest first. An item owns the gradients of its keys
  /// and values.
  func listBackward(_ batch: PackedBatch, in items: inout [BackwardItem]) {
    items.removeAll(keepingCapacity: true)
    for (tree, segments) in batch.treeSegments.enumerated() {
      let cost = segments.reduce(0) { sum, index in
        let segment = batch.segments[index]
        return sum + segment.tokens.count * (2 * segment.contextCount + segment.tokens.count)
      }
      for head in 0..<keyValueHeads { items.append((tree, head, cost)) }
    }
    items.sort { ($0.cost, $1.tree, $1.head) > ($1.cost, $0.tree, $0.head) }
  }

  /// One item of the backward pass: writes the gradient of the tree's queries, keys and values of one key head.
  ///
  /// - Parameters:
  ///   - dqkv: shaped as `qkv`; the item's columns are overwritten. Gradients of rotated queries and keys.
  ///   - doutput, output: [T, heads · headWidth].
  func backward(
    item: BackwardItem, _ traits: Traits, batch: PackedBatch, dqkv: UnsafeMutablePointer<Float>,
    doutput: UnsafePointer<Float>,
    output: UnsafePointer<Float>, lse: UnsafePointer<Float>, qkv: UnsafePointer<Float>,
    memory: UnsafeMutablePointer<Float>, longest: Int
  ) {
    let segments = batch.treeSegments[item.tree]
    let tokens = batch.segments[segments.first!].tokens.lowerBound..<batch.segments[segments.last!].tokens.upperBound
    for token in tokens {
      key(dqkv, token, item.head).update(repeating: 0, count: headWidth)
      value(dqkv, token, item.head).update(repeating: 0, count: headWidth)
    }
    for index in segments {
      let segment = batch.segments[index]
      for start in stride(from: 0, to: segment.tokens.count, by: blockTokens) {
        backward(
          Block(segment: index, start: start, count: min(blockTokens, segment.tokens.count - start)), traits,
          head: item.head, batch: batch, dqkv: dqkv, doutput: doutput, output: output, lse: lse, qkv: qkv,
          memory: memory,
          longest: longest)
      }
    }
  }

  private func backward(
    _ block: Block, _ traits: Traits, head: Int, batch: PackedBatch, dqkv: UnsafeMutablePointer<Float>,
    doutput: UnsafePointer<Float>,
    output: UnsafePointer<Float>, lse: UnsafePointer<Float>, qkv: UnsafePointer<Float>,
    memory: UnsafeMutablePointer<Float>, longest: Int
  ) {
    let segment = batch.segments[block.segment]
    let count = block.count
    let first = segment.tokens.lowerBound + block.start
    let rows = group * count
    let position = segment.contextCount + block.start
    let lowest = firstSeen(from: position, traits)
    let columns = position + count - lowest
    let desk = Desk(memory, rows: group * blockTokens, width: headWidth, longest: longest)
    let column = head * group * headWidth
    gather(desk.query, from: qkv, rowStride: stride, column: column, first: first, count: count)
    gather(desk.gradient, from: doutput, rowStride: outputStride, column: column, first: first, count: count)
    for h in 0..<group {
      for i in 0..<count {
        let place = (first + i) * outputStride + column + h * headWidth
        desk.delta[h * count + i] = tk_dot(doutput + place, output + place, Int64(headWidth))
        desk.lse[h * count + i] = lse[(head * group + h) * batch.tokenCount + first + i]
      }
    }
    forEachRun(segment, of: batch, from: lowest, upTo: block.start + count) { run, place in
      MatrixMultiply.forward(
        y: desk.scores + place, x: desk.query, w: key(qkv, run.lowerBound, head), rows: rows, outputs: run.count,
        inputs: headWidth, yStride: columns, wStride: stride)
      MatrixMultiply.forward(
        y: desk.scoreGradients + place, x: desk.gradient, w: value(qkv, run.lowerBound, head), rows: rows,
        outputs: run.count, inputs: headWidth, yStride: columns, wStride: stride)
    }
    tk_softmax_causal_backward(
      desk.scores, desk.scoreGradients, desk.lse, desk.delta, traits.scale, traits.cap, Int64(group), Int64(count),
      Int64(columns), Int64(position + 1 - lowest), Int64(traits.window ?? 0))
    forEachRun(segment, of: batch, from: lowest, upTo: block.start + count) { run, place in
      MatrixMultiply.backwardInput(
        dx: desk.result, dy: desk.scoreGradients + place, w: key(qkv, run.lowerBound, head), rows: rows,
        outputs: run.count, inputs: headWidth, dyStride: columns, wStride: stride, accumulate: place > 0)
      MatrixMultiply.backwardWeight(
        dw: key(dqkv, run.lowerBound, head), dy: desk.scoreGradients + place, x: desk.query, rows: rows,
        outputs: run.count, inputs: headWidth, dwStride: stride, dyStride: columns)
      MatrixMultiply.backwardWeight(
        dw: value(dqkv, run.lowerBound, head), dy: desk.scores + place, x: desk.gradient, rows: rows,
        outputs: run.count, inputs: headWidth, dwStride: stride, dyStride: columns)
    }
    for h in 0..<group {
      for i in 0..<count {
        (dqkv + (first + i) * stride + column + h * headWidth).update(
          from: desk.result + (h * count + i) * headWidth, count: headWidth)
      }
    }
  }

  /// The first position that a token at `position` sees.
  private func firstSeen(from position: Int, _ traits: Traits) -> Int {
    traits.window.map { max(0, position + 1 - $0) } ?? 0
  }

  /// Calls `body` for each contiguous run of tokens that a block sees, with the column where it begins.
  ///
  /// - Parameters:
  ///   - lowest: positions before this one are left out; its column is 0.
  ///   - own: tokens of the segment itself that are seen.
  private func forEachRun(
    _ segment: PackedBatch.Segment, of batch: PackedBatch, from lowest: Int, upTo own: Int,
    _ body: (Range<Int>, Int) -> Void
  ) {
    var position = 0
    func visit(_ run: Range<Int>) {
      let skipped = min(max(lowest - position, 0), run.count)
      if skipped < run.count { body(run.lowerBound + skipped..<run.upperBound, position + skipped - lowest) }
      position += run.count
    }
    let tail = segment.tokens.lowerBound..<segment.tokens.lowerBound + own
    for (index, run) in zip(segment.context, batch.contextRuns[segment.context]) {
      if index == segment.context.upperBound - 1, run.upperBound == tail.lowerBound {
        visit(run.lowerBound..<tail.upperBound)
        return
      }
      visit(run)
    }
    visit(tail)
  }

  /// Stacks the group's heads of `count` tokens: row h·count + i.
  private func gather(
    _ target: UnsafeMutablePointer<Float>, from source: UnsafePointer<Float>, rowStride: Int, column: Int, first: Int,
    count: Int
  ) {
    for h in 0..<group {
      for i in 0..<count {
        (target + (h * count + i) * headWidth).update(
          from: source + (first + i) * rowStride + column + h * headWidth, count: headWidth)
      }
    }
  }

  private func key<Pointer: Strideable>(_ qkv: Pointer, _ token: Int, _ head: Int) -> Pointer
  where Pointer.Stride == Int { qkv.advanced(by: token * stride + (heads + head) * headWidth) }

  private func value<Pointer: Strideable>(_ qkv: Pointer, _ token: Int, _ head: Int) -> Pointer
  where Pointer.Stride == Int { qkv.advanced(by: token * stride + (heads + keyValueHeads + head) * headWidth) }
}
