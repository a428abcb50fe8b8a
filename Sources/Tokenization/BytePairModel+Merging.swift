/// Buffers that merging reuses from word to word.
struct MergeScratch {
  /// Tokens of the word, before and after merging.
  var ids: [Int32] = []
  /// Rank of the merge of each token with its right neighbour; `none` without one.
  var ranks: [UInt32] = []
  var results: [Int32] = []
  var next: [Int32] = []
  var previous: [Int32] = []
  var queue: [UInt64] = []
  /// A word in the byte alphabet.
  var text: [UInt8] = []
}

extension BytePairModel {
  /// Words of up to this many bytes are merged by scanning for the lowest rank; longer ones by a queue.
  static let linearLimit = 48
  private static let none = UInt32.max

  /// Merges by looking through all ranks for the lowest: quadratic, but without overhead for the short words
  /// that text is made of.
  func mergeByScanning(_ scratch: inout MergeScratch) {
    var count = scratch.ids.count
    guard count > 1 else { return }
    if scratch.ranks.count < count {
      scratch.ranks = [UInt32](repeating: 0, count: Self.linearLimit)
      scratch.results = [Int32](repeating: 0, count: Self.linearLimit)
    }
    scratch.ids.withUnsafeMutableBufferPointer { ids in
      scratch.ranks.withUnsafeMutableBufferPointer { ranks in
        scratch.results.withUnsafeMutableBufferPointer { results in
          @inline(__always) func look(_ index: Int) {
            if let merge = merges.merge(ids[index], ids[index + 1]) {
              ranks[index] = merge.rank
              results[index] = merge.result
            } else {
              ranks[index] = Self.none
            }
          }
          for index in 0..<count - 1 { look(index) }
          while true {
            var best = Self.none
            var place = 0
            for index in 0..<count - 1 where ranks[index] < best {
              best = ranks[index]
              place = index
            }
            guard best != Self.none else { return }
            ids[place] = results[place]
            count -= 1
            for index in place + 1..<max(count, place + 1) {
              ids[index] = ids[index + 1]
              ranks[index] = ranks[index + 1]
              results[index] = results[index + 1]
            }
            if place + 1 < count { look(place) }
            if place > 0 { look(place - 1) }
          }
        }
      }
    }
    scratch.ids.removeLast(scratch.ids.count - count)
  }

  /// Merges with a queue of (rank, position) over a doubly linked list: n log n for a word of n bytes.
  func mergeByQueue(_ scratch: inout MergeScratch) {
    let count = scratch.ids.count
    // Positions take the lower half of a queue entry and links are 32 bits wide.
    precondition(count < Int(Int32.max), "a word of 2 GiB cannot be merged")
    scratch.next = (1...Int32(count)).map { $0 == count ? -1 : $0 }
    scratch.previous = (0..<Int32(count)).map { $0 - 1 }
    scratch.queue.removeAll(keepingCapacity: true)
    for index in 0..<count - 1 {
      if let merge = merges.merge(scratch.ids[index], scratch.ids[index + 1]) {
        scratch.queue.append(UInt64(merge.rank) << 32 | UInt64(index))
      }
    }
    MinimumHeap.order(&scratch.queue)
    while let entry = MinimumHeap.popMinimum(&scratch.queue) {
      let place = Int(entry & 0xFFFF_FFFF)
      // Entries are not withdrawn when their tokens change: an entry counts only if its merge still stands there.
      guard scratch.ids[place] >= 0, scratch.next[place] >= 0 else { continue }
      let right = Int(scratch.next[place])
      guard let merge = merges.merge(scratch.ids[place], scratch.ids[right]), UInt64(merge.rank) == entry >> 32 else {
        continue
      }
      scratch.ids[place] = merge.result
      scratch.ids[right] = -1
      let following = scratch.next[right]
      scratch.next[place] = following
      if following >= 0 {
        scratch.previous[Int(following)] = Int32(place)
        if let merge = merges.merge(merge.result, scratch.ids[Int(following)]) {
          MinimumHeap.push(UInt64(merge.rank) << 32 | UInt64(place), &scratch.queue)
        }
      }
      let before = scratch.previous[place]
      if before >= 0, let merge = merges.merge(scratch.ids[Int(before)], scratch.ids[place]) {
        MinimumHeap.push(UInt64(merge.rank) << 32 | UInt64(before), &scratch.queue)
      }
    }
    scratch.ids.removeAll { $0 < 0 }
  }
}
