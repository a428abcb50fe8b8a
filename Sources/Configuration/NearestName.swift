/// The known name that a misspelled one most likely means.
package enum NearestName {
  /// nil when none is near: more than a third of the letters would have to change.
  package static func find(_ name: String, among known: [String]) -> String? {
    let best = known.map { (name: $0, distance: distance(Array(name.utf8), Array($0.utf8))) }
      .min { $0.distance < $1.distance }
    guard let best, best.distance <= max(1, max(name.utf8.count, best.name.utf8.count) / 3) else { return nil }
    return best.name
  }

  /// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string alignment).
  static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in 0..<a.count {
      var row = [i + 1]
      for j in 0..<b.count {
        var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
        row.append(cost)
      }
      beforeLast = last
      last = row
    }
    return last[b.count]
  }
}
