import Glibc

/// Keeps the input that a thread is working on where a signal's handler can save it.
///
/// Several records may be in use at once, one per thread; a trap is delivered to the thread that caused it.
struct CrashRecord {
  /// What the handler reads; never freed, since a signal may come at any time.
  fileprivate struct Slot {
    var thread: pthread_t?
    var bytes: UnsafePointer<UInt8>?
    var count = 0
    /// When the input is given up, in seconds of the monotonic clock; 0 when nothing is being tried.
    var deadline = 0.0
    let path: UnsafeMutablePointer<CChar>
    let next: UnsafeMutablePointer<Slot>?
  }

  private let slot: UnsafeMutablePointer<Slot>
  private let path: String

  init(_ name: String) {
    path = String(cString: getenv("TMPDIR") ?? strdup("/tmp")) + "/treg-fuzz-\(name)-input"
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    slot = .allocate(capacity: 1)
    slot.initialize(to: Slot(path: strdup(path), next: firstSlot))
    firstSlot = slot
    installOnce()
    // Of this thread: a stack that overflowed cannot hold the handler's frame.
    var stack = stack_t()
    stack.ss_size = 1 << 16
    stack.ss_sp = UnsafeMutableRawPointer.allocate(byteCount: stack.ss_size, alignment: 16)
    sigaltstack(&stack, nil)
  }

  /// Runs `body`; when it throws, crashes or takes longer than `patience` seconds, `bytes` are saved.
  func keeping<Result>(_ bytes: [UInt8], patience: Double, _ body: () throws -> Result) throws -> Result {
    try bytes.withUnsafeBufferPointer { buffer in
      slot.pointee.thread = pthread_self()
      slot.pointee.bytes = buffer.baseAddress
      slot.pointee.count = buffer.count
      slot.pointee.deadline = Fuzz.now() + patience
      defer {
        slot.pointee.deadline = 0
        slot.pointee.thread = nil
      }
      do {
        return try body()
      } catch {
        save(slot)
        throw error
      }
    }
  }
}

// The one state that outlives a run: signal handlers have no other way to reach it. Changed under the lock.
nonisolated(unsafe) private var firstSlot: UnsafeMutablePointer<CrashRecord.Slot>?
nonisolated(unsafe) private var isInstalled = false
nonisolated(unsafe) private let lock: UnsafeMutablePointer<pthread_mutex_t> = {
  let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  pthread_mutex_init(lock, nil)
  return lock
}()

/// Only calls that POSIX allows in a signal's handler.
private func save(_ slot: UnsafeMutablePointer<CrashRecord.Slot>) {
  let file = open(slot.pointee.path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
  if file >= 0 {
    var done = 0
    while done < slot.pointee.count, let bytes = slot.pointee.bytes {
      let count = write(file, bytes + done, slot.pointee.count - done)
      if count <= 0 { break }
      done += count
    }
    close(file)
  }
  let prefix: StaticString = "fuzz: the input was saved as "
  _ = write(STDERR_FILENO, prefix.utf8Start, prefix.utf8CodeUnitCount)
  _ = write(STDERR_FILENO, slot.pointee.path, strlen(slot.pointee.path))
  let end: StaticString = "\n"
  _ = write(STDERR_FILENO, end.utf8Start, end.utf8CodeUnitCount)
}

private func installOnce() {
  guard !isInstalled else { return }
  isInstalled = true
  for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE] {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { number in
      var slot = firstSlot
      while let current = slot {
        if current.pointee.thread == pthread_self() { save(current) }
        slot = current.pointee.next
      }
      signal(number, SIG_DFL)
      raise(number)
    }
    action.sa_flags = Int32(SA_ONSTACK)
    sigaction(number, &action, nil)
  }
  var watchdog = pthread_t()
  pthread_create(&watchdog, nil, { _ in watch() }, nil)
}

/// Ends the process when an input has been tried for too long.
private func watch() -> UnsafeMutableRawPointer? {
  while true {
    usleep(200_000)
    pthread_mutex_lock(lock)
    var slot = firstSlot
    pthread_mutex_unlock(lock)
    while let current = slot {
      let deadline = current.pointee.deadline
      if deadline > 0, Fuzz.now() > deadline {
        let message: StaticString = "fuzz: an input keeps the parser for too long\n"
        _ = write(STDERR_FILENO, message.utf8Start, message.utf8CodeUnitCount)
        save(current)
        abort()
      }
      slot = current.pointee.next
    }
  }
}
