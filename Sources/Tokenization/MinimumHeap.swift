/// A binary heap in an array, lowest first.
enum MinimumHeap {
  /// Makes any array a heap: a sorted array is one.
  static func order(_ heap: inout [UInt64]) { heap.sort() }

  static func push(_ value: UInt64, _ heap: inout [UInt64]) {
    heap.append(value)
    var index = heap.count - 1
    while index > 0 {
      let parent = (index - 1) / 2
      guard heap[parent] > value else { break }
      heap[index] = heap[parent]
      index = parent
    }
    heap[index] = value
  }

  static func popMinimum(_ heap: inout [UInt64]) -> UInt64? {
    guard let minimum = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return minimum }
    var index = 0
    while true {
      var child = 2 * index + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < last else { break }
      heap[index] = heap[child]
      index = child
    }
    heap[index] = last
    return minimum
  }
}
