import CPulse

/// The sign of life of a rank: a counter that every part of the work advances, and what the rank is doing.
///
/// Rooms call ``beat()`` after each chunk of work, a few milliseconds to a few seconds of it; it costs one atomic addition. A
/// watchdog reads it from a thread of its own. Threads of the background have a counter of their own, which counts only while the
/// work waits for them.
package enum Pulse {
  /// A chunk of work is done: a panel of a layer, a piece of a file, rows, a piece of a collective.
  @inline(__always) package static func beat() { pulse_beat() }

  package static var beats: UInt64 { pulse_now().lane.beats }

  /// What the run does now: "loading the model", "training", …
  package static func enter(_ phase: StaticString) { pulse_set_phase(text(phase)) }

  /// The optimizer step under way; nil: none.
  package static func enter(step: Int?) { pulse_set_step(Int64(step ?? -1)) }

  /// The layer of a model under way; nil: none.
  @inline(__always) package static func enter(layer: Int?) { pulse_set_layer(Int32(layer ?? -1)) }

  /// Runs a part of the phase, such as "backward", which reports name in its place. When `body` throws, the part stays: it
  /// is where the failure was met.
  package static func during<Result>(_ part: StaticString, _ body: () throws -> Result) rethrows -> Result {
    let before = pulse_now().part
    pulse_set_part(text(part))
    let result = try body()
    pulse_set_part(before)
    return result
  }

  /// Runs a call that asks a file system for something and ends when it answers: a server that fails over takes a minute or two.
  /// Its end is a beat. What computes does not belong in `body`.
  @inline(__always)
  package static func atFile<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pulse_add_files(1)
    defer {
      pulse_add_files(-1)
      pulse_beat()
    }
    return try body()
  }

  /// Runs a call that flushes to a disk, which may take long without a sign. Its end is a beat.
  package static func flushing<Result>(_ body: () throws -> Result) rethrows -> Result {
    pulse_add_flushes(1)
    defer {
      pulse_add_flushes(-1)
      pulse_beat()
    }
    return try body()
  }

  /// From now on the calling thread's signs of life are the background's.
  package static func enterBackground() { pulse_enter_background() }

  /// Waits for the background: while `body` runs, its signs of life are those of the work.
  package static func awaitingBackground<Result>(_ body: () throws -> Result) rethrows -> Result {
    pulse_set_awaits_background(true)
    defer {
      pulse_set_awaits_background(false)
      pulse_beat()
    }
    return try body()
  }

  /// Whether a call into MPI is under way. When it ends, that is a beat.
  package static var isWaiting: Bool {
    get { pulse_now().is_waiting != 0 }
    set {
      pulse_set_waiting(newValue)
      if !newValue { pulse_beat() }
    }
  }

  /// Where the MPI shim, which stands on its own, tells what it waits for.
  package static var beatsAddress: UnsafeMutablePointer<UInt64> { pulse_beats_address() }
  package static var peerAddress: UnsafeMutablePointer<Int32> { pulse_peer_address() }
  package static var offsetAddress: UnsafeMutablePointer<Int64> { pulse_offset_address() }

  private static func text(_ text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
  }

  /// What a rank does at one moment.
  package struct Moment: Sendable, Equatable {
    package var beats: UInt64
    package var step: Int?
    /// The part of the phase, where one is under way, else the phase.
    package var phase: String
    package var layer: Int?
    /// In a call into MPI, where all that lasts is waiting for others.
    package var isWaiting: Bool
    /// In a call that a file system has to answer.
    package var isAtFile: Bool
    /// In a call that flushes to a disk.
    package var isFlushing: Bool
    /// Of the awaited piece of a collective: the rank it comes from or goes to, and where it stands in its buffer.
    package var peer: Int?
    package var offset: Int?

    package init(
      beats: UInt64 = 0, step: Int? = nil, phase: String = "start", layer: Int? = nil, isWaiting: Bool = false,
      isAtFile: Bool = false, isFlushing: Bool = false, peer: Int? = nil, offset: Int? = nil
    ) {
      self.beats = beats
      self.step = step
      self.phase = phase
      self.layer = layer
      self.isWaiting = isWaiting
      self.isAtFile = isAtFile
      self.isFlushing = isFlushing
      self.peer = peer
      self.offset = offset
    }
  }

  package static var moment: Moment {
    let now = pulse_now()
    return Moment(
      beats: now.lane.beats, step: now.step < 0 ? nil : Int(now.step),
      phase: (now.part ?? now.phase).map { String(cString: $0) } ?? "start",
      layer: now.layer < 0 ? nil : Int(now.layer), isWaiting: now.is_waiting != 0, isAtFile: now.lane.files > 0,
      isFlushing: now.lane.flushes > 0,
      peer: now.peer < 0 ? nil : Int(now.peer),
      offset: now.offset < 0 ? nil : Int(now.offset))
  }
}
