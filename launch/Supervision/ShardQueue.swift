import LaunchPlan

/// Which shard is made next and where: a queue whose failed shards come again, so many times, elsewhere if they can.
package struct ShardQueue: Sendable, Equatable {
  /// A place that makes one shard at a time.
  package struct Slot: Sendable, Hashable {
    /// nil: this machine.
    package let host: String?
    package let number: Int

    package init(host: String?, number: Int) {
      self.host = host
      self.number = number
    }
  }

  package struct Failure: Sendable, Equatable {
    package let shard: Int
    package let code: Int32
    package let line: String

    package init(shard: Int, code: Int32, line: String) {
      self.shard = shard
      self.code = code
      self.line = line
    }
  }

  private var waiting: [Int]
  private var tries: [Int: Int] = [:]
  /// The host on which a shard failed last.
  private var lastHost: [Int: String] = [:]
  private var free: [Slot]
  /// Failures in a row of each host's own.
  private var strikes: [String: Int] = [:]
  private let limit: Int
  package private(set) var running: [Slot: Int] = [:]
  package private(set) var finished: [Int] = []
  package private(set) var failures: [Failure] = []
  package private(set) var retries = 0
  /// Nothing is started any more: a failure that would only repeat itself, or somebody asked to stop.
  package private(set) var isClosed = false

  /// Failures in a row after which a host is left alone.
  private static let patience = 3

  /// - Parameters:
  ///   - limit: further tries of a shard after its first.
  package init(shards: [Int], slots: [Slot], limit: Int) {
    waiting = shards
    free = slots
    self.limit = limit
  }

  package var isOver: Bool { running.isEmpty && (waiting.isEmpty || isClosed || free.isEmpty) }
  package var unmade: [Int] { waiting.sorted() }

  package mutating func close() { isClosed = true }

  /// What to start now; nil: nothing.
  package mutating func next() -> (shard: Int, slot: Slot)? {
    guard !isClosed, let slot = free.first, !waiting.isEmpty else { return nil }
    // A shard that failed goes to another host when one is free.
    let index = waiting.firstIndex { lastHost[$0] == nil || lastHost[$0] != slot.host } ?? waiting.startIndex
    let shard = waiting.remove(at: index)
    free.removeFirst()
    running[slot] = shard
    return (shard, slot)
  }

  /// A shard's process has ended. 255 on another host is ssh's own failure, not the worker's.
  ///
  /// - Returns: whether the shard is tried again.
  @discardableResult
  package mutating func ended(_ slot: Slot, code: Int32, line: String) -> Bool {
    guard let shard = running.removeValue(forKey: slot) else { return false }
    let isHostFailure = slot.host != nil && code == 255
    if let host = slot.host {
      strikes[host] = isHostFailure ? strikes[host, default: 0] + 1 : 0
      if strikes[host]! < Self.patience { free.append(slot) } else { free.removeAll { $0.host == host } }
    } else {
      free.append(slot)
    }
    if code == 0 {
      finished.append(shard)
      return false
    }
    if FailureKind(code: code, isStall: false) == .lasting {
      failures.append(Failure(shard: shard, code: code, line: line))
      isClosed = true
      return false
    }
    // What a host did to a shard is not the shard's fault.
    if !isHostFailure { tries[shard, default: 0] += 1 }
    guard tries[shard, default: 0] <= limit else {
      failures.append(Failure(shard: shard, code: code, line: line))
      return false
    }
    lastHost[shard] = slot.host
    waiting.append(shard)
    retries += 1
    return true
  }
}
