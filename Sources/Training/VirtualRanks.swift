import Collectives
import PreferenceData
import RunFolder

/// The shares that a batch's rows are divided into, and the order in which what they give is summed.
///
/// Every rank has one share, and sums are MPI's, unless runs are to be reproducible: then there are ``count`` shares
/// whatever the number of ranks R, each rank has count / R that follow each other, and sums are binary trees over shares,
/// ((0 + 1) + (2 + 3)) + …, of which each rank makes a branch. So rows, their packing, micro-batches and the order of every
/// addition are the same for each R.
package struct VirtualRanks {
  /// Of all ranks together.
  package let count: Int
  package let isReproducible: Bool
  /// The shares of this rank.
  package let own: Range<Int>
  private let communicator: Communicator

  /// A share for each rank.
  package init(_ communicator: Communicator) {
    count = communicator.size
    isReproducible = false
    own = communicator.rank..<communicator.rank + 1
    self.communicator = communicator
  }

  /// A power of two of shares that every number of ranks divides in one and the same way.
  ///
  /// - Throws: 78 when the ranks are no power of two, or more than there are shares.
  package init(reproducible count: Int, _ communicator: Communicator) throws(TregError) {
    precondition(count > 0 && count & (count - 1) == 0, "\(count) virtual ranks")
    let ranks = communicator.size
    guard count % ranks == 0 else {
      throw TregError(
        .configuration, at: "reproducible",
        "\(ranks) ranks cannot share \(count) virtual_ranks evenly; start \(Self.choices(count)) ranks"
          + (ranks & (ranks - 1) == 0 ? ", or give --virtual-ranks \(ranks), which gives other bits" : ""),
        isOnAllRanks: true)
    }
    self.count = count
    isReproducible = true
    own = communicator.rank * (count / ranks)..<(communicator.rank + 1) * (count / ranks)
    self.communicator = communicator
  }

  private static func choices(_ count: Int) -> String {
    let powers = (0...count.trailingZeroBitCount).map { String(1 << $0) }
    return powers.count == 1 ? powers[0] : powers.dropLast().joined(separator: ", ") + " or " + powers.last!
  }

  /// For people; nil where there is nothing to say.
  var description: String? {
    guard isReproducible else { return nil }
    let buffers = own.count.trailingZeroBitCount
    return "\(count) virtual ranks, \(own.count) on each rank, which hold \(buffers) more gradient buffer"
      + (buffers == 1 ? "" : "s")
  }

  /// Rows divided over all shares.
  package func divide(_ rows: [Int], costs: [Int]) -> [[Int]] {
    Division.divide(rows, costs: costs, ranks: count)
  }

  /// The rows of every rank, out of those of every share.
  package func byRank(_ shares: [[Int]]) -> [[Int]] {
    stride(from: 0, to: count, by: own.count).map { shares[$0..<$0 + own.count].flatMap(\.self) }
  }

  /// Collective: the sum of one vector of every share, element by element.
  ///
  /// - Parameter vectors: those of this rank's shares, all of one length.
  package func sum(_ vectors: [[Double]]) throws -> [Double] {
    precondition(vectors.count == own.count, "\(vectors.count) vectors of \(own.count) shares")
    guard isReproducible else {
      var sum = vectors[0]
      try communicator.sum(&sum)
      return sum
    }
    let width = vectors[0].count
    var all = [Double](repeating: 0, count: count * width)
    for (share, vector) in zip(own, vectors) { all.replaceSubrange(share * width..<(share + 1) * width, with: vector) }
    // Every number is one rank's alone: x + 0 is x in any order.
    try communicator.sum(&all)
    return Self.treeSum((0..<count).map { Array(all[$0 * width..<($0 + 1) * width]) }[...])
  }

  /// The sum of vectors as a binary tree, each half before both.
  static func treeSum(_ vectors: ArraySlice<[Double]>) -> [Double] {
    guard vectors.count > 1 else { return vectors.first ?? [] }
    let middle = vectors.startIndex + vectors.count / 2
    return zip(treeSum(vectors[..<middle]), treeSum(vectors[middle...])).map { $0 + $1 }
  }
}
