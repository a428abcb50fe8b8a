import Foundation
import RunFolder

/// Faults that a run is told to have, so that tests can see what comes of them: `TREG_DRILL`, orders parted by semicolons.
///
///     nan:step=3,rank=1[,times=2]   so many of the gradients that the rank computes from that step on are not finite
///     flip:step=4,rank=2            one bit of the rank's weights is another as the step begins
///     kill:step=2,rank=0            SIGKILL after the step's last backward pass, before the gradient is summed
///     stop:step=2,rank=1            SIGSTOP, then
///     hang:step=2,rank=1            the rank does nothing any more, from then on
///     crash:step=2,rank=1           SIGSEGV, then
///     lag:step=2,rank=1             the rank believes to be at another step
///     skip:step=3                   all ranks skip the step as if it were not finite
package struct Drill: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    case nan, flip, kill, stop, hang, crash, lag, skip
  }

  package struct Order: Sendable, Equatable {
    package let kind: Kind
    package let step: Int
    /// nil: all.
    package let rank: Int?
    package let times: Int
  }

  package let orders: [Order]

  /// What `TREG_DRILL` says; nil: there is none. A run that the launcher has started again (`TREG_ATTEMPT`) has had its
  /// faults: only steps that are to be skipped stay so.
  ///
  /// - Throws: 78 for anything that is no order, or of a rank that there is not.
  package init?(environment: [String: String], ranks: Int) throws(TregError) {
    guard let text = environment["TREG_DRILL"], !text.isEmpty else { return nil }
    var orders: [Order] = []
    for part in text.split(separator: ";", omittingEmptySubsequences: false) {
      orders.append(try Self.order(String(part), ranks: ranks))
    }
    if let attempt = environment["TREG_ATTEMPT"], attempt != "0" { orders.removeAll { $0.kind != .skip } }
    guard !orders.isEmpty else { return nil }
    self.orders = orders
  }

  private static func order(_ text: String, ranks: Int) throws(TregError) -> Order {
    func refused(_ why: String) -> TregError { .configuration(at: "TREG_DRILL", "\"\(text)\": \(why)") }
    let (name, settings) = halves(text, ":")
    guard let kind = Kind(rawValue: name) else {
      throw refused("expected one of \(Kind.allCases.map(\.rawValue).joined(separator: ", ")), then a colon")
    }
    var values: [String: Int] = [:]
    let known = kind == .skip ? ["step"] : kind == .nan ? ["step", "rank", "times"] : ["step", "rank"]
    for setting in settings.split(separator: ",", omittingEmptySubsequences: false) {
      let (key, value) = halves(String(setting), "=")
      guard known.contains(key), values[key] == nil else {
        throw refused("expected \(known.joined(separator: ", ")), each once, found \"\(setting)\"")
      }
      guard let number = Int(value), number >= (key == "rank" ? 0 : 1) else {
        throw refused("\(key) is no number from \(key == "rank" ? 0 : 1) on")
      }
      values[key] = number
    }
    guard let step = values["step"] else { throw refused("it says no step") }
    guard kind == .skip || values["rank"] != nil else { throw refused("it says no rank") }
    if let rank = values["rank"], rank >= ranks { throw refused("there are ranks 0 to \(ranks - 1)") }
    return Order(kind: kind, step: step, rank: values["rank"], times: values["times"] ?? 1)
  }

  private static func halves(_ text: String, _ separator: Character) -> (String, String) {
    guard let place = text.firstIndex(of: separator) else { return (text, "") }
    return (String(text[..<place]), String(text[text.index(after: place)...]))
  }

  package var announcement: String {
    "DRILL: this run is told to fail: "
      + orders.map { order in
        let times = order.times > 1 ? " \(order.times) times" : ""
        return "\(order.kind.rawValue) at step \(order.step)\(times)" + (order.rank.map { " on rank \($0)" } ?? "")
      }.joined(separator: "; ")
  }
}

/// A drill under way on one rank.
package final class DrillCourse {
  private let orders: [Drill.Order]
  /// Of each order: how many gradients it has yet to spoil.
  private var left: [Int]

  package init(_ drill: Drill, rank: Int) {
    orders = drill.orders.filter { $0.rank == nil || $0.rank == rank }
    left = orders.map(\.times)
  }

  private func isDue(_ kind: Drill.Kind, _ step: Int) -> Bool { orders.contains { $0.kind == kind && $0.step == step } }

  /// Whether the gradient that is computed next is to be none.
  func spoilsGradient(step: Int) -> Bool {
    guard
      let index = orders.indices.first(where: { orders[$0].kind == .nan && orders[$0].step <= step && left[$0] > 0 })
    else { return false }
    left[index] -= 1
    return true
  }

  func skips(step: Int) -> Bool { isDue(.skip, step) }

  func batch(_ batch: BatchIdentity?) -> BatchIdentity? {
    guard let batch, isDue(.lag, batch.step) else { return batch }
    return BatchIdentity(step: batch.step + 1, rows: [])
  }

  /// What happens to a rank before its gradient is summed.
  func strike(step: Int) {
    if isDue(.kill, step) { kill(getpid(), SIGKILL) }
    if isDue(.stop, step) { kill(getpid(), SIGSTOP) }
    if isDue(.crash, step) { raise(SIGSEGV) }
    while isDue(.hang, step) { sleep(1) }
  }

  func flips(step: Int) -> Bool { isDue(.flip, step) }
}
