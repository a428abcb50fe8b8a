/// Tokenised pairs in order, read by index: from memory, or from a file of which only the counts are at hand.
///
/// A pair that is asked for is read and decoded anew each time, which may fail; what only needs lengths asks for ``counts(at:)``.
package struct PairList: Sendable {
  private enum Storage {
    case memory([TokenizedPair])
    case file(TokenFile)
  }

  private let storage: Storage
  /// The pairs that are in the list; nil: all.
  private let selection: [Int]?

  package init(_ pairs: [TokenizedPair] = []) {
    storage = .memory(pairs)
    selection = nil
  }

  init(_ file: TokenFile) {
    storage = .file(file)
    selection = nil
  }

  private init(_ storage: Storage, _ selection: [Int]) {
    self.storage = storage
    self.selection = selection
  }

  package var count: Int {
    if let selection { return selection.count }
    return switch storage {
    case .memory(let pairs): pairs.count
    case .file(let file): file.count
    }
  }

  package var isEmpty: Bool { count == 0 }
  package var indices: Range<Int> { 0..<count }

  /// - Throws: 74 when the file they are in cannot be read any more.
  package func pair(at index: Int) throws -> TokenizedPair {
    let index = selection?[index] ?? index
    return switch storage {
    case .memory(let pairs): pairs[index]
    case .file(let file): try file.pair(at: index)
    }
  }

  /// Some of the pairs, or all of them, in the order of the indices.
  ///
  /// - Throws: as ``pair(at:)``.
  package func pairs(at indices: some Sequence<Int>) throws -> [TokenizedPair] { try indices.map(pair) }

  package func counts(at index: Int) -> PairCounts {
    let index = selection?[index] ?? index
    return switch storage {
    case .memory(let pairs): pairs[index].counts
    case .file(let file): file.counts(at: index)
    }
  }

  /// The counts of all pairs, in order.
  package var allCounts: some RandomAccessCollection<PairCounts> { indices.lazy.map(counts) }

  /// Tokens of every pair's packed tree, in order.
  package var costs: [Int] { allCounts.map(\.tokens) }

  /// Some of the pairs, by their indices, in that order.
  package func selecting(_ indices: [Int]) -> PairList {
    PairList(storage, selection.map { all in indices.map { all[$0] } } ?? indices)
  }

  /// The index of the pair of a row; nil when that row is not used.
  ///
  /// - Precondition: the list is in the order of rows.
  package func index(ofRow row: Int) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if counts(at: middle).row < row { low = middle + 1 } else { high = middle }
    }
    return low < count && counts(at: low).row == row ? low : nil
  }
}
