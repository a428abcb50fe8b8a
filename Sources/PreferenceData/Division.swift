/// How the rows of a batch are divided over ranks and micro-batches.
package enum Division {
  /// Divides rows over ranks so that their costs are balanced: the dearest first, each to the rank that has least so far.
  ///
  /// Every rank computes the same division. Ties go to the earlier row and to the lower rank; within a rank, rows keep
  /// their order. With fewer rows than ranks some ranks get none.
  ///
  /// - Parameters:
  ///   - rows: any numbers that name rows.
  ///   - costs: the tokens of each of `rows`.
  /// - Returns: the rows of every rank.
  package static func divide(_ rows: [Int], costs: [Int], ranks: Int) -> [[Int]] {
    precondition(rows.count == costs.count, "one cost per row")
    precondition(ranks > 0, "at least one rank")
    var loads = [Int](repeating: 0, count: ranks)
    var owners = [Int](repeating: 0, count: rows.count)
    for index in rows.indices.sorted(by: { costs[$0] != costs[$1] ? costs[$0] > costs[$1] : $0 < $1 }) {
      var owner = 0
      for rank in 0..<ranks where loads[rank] < loads[owner] { owner = rank }
      loads[owner] += costs[index]
      owners[index] = owner
    }
    var result = [[Int]](repeating: [], count: ranks)
    for (row, owner) in zip(rows, owners) { result[owner].append(row) }
    return result
  }

  /// Cuts rows into consecutive micro-batches of at most `maxTokens`; a row that alone has more gets one of its own.
  package static func microBatches(_ rows: [Int], costs: [Int], maxTokens: Int) -> [[Int]] {
    precondition(rows.count == costs.count, "one cost per row")
    var result: [[Int]] = []
    var load = 0
    for (row, cost) in zip(rows, costs) {
      if result.isEmpty || load + cost > maxTokens {
        result.append([row])
        load = cost
      } else {
        result[result.count - 1].append(row)
        load += cost
      }
    }
    return result
  }
}
