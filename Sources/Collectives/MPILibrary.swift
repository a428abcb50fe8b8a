import CMPI
import Glibc
import RunFolder

/// The shim over one MPI, loaded at run time, so that the worker has no libmpi in it and also runs where there is none.
///
/// One thread talks to MPI: the one that called `initialize`. Every call goes through `call`, which checks that.
package struct MPILibrary {
  package let table: cmpi_table
  package let path: String
  private let thread: pthread_t

  /// Finds and loads the first shim among `kinds` that exists.
  ///
  /// `TREG_CMPI` names the file itself and turns the search off.
  /// - Throws: 69 with what to install when there is none or its libmpi is missing.
  package static func load(
    _ kinds: [MPIKind], environment: [String: String], executable: String = ownExecutable()
  ) throws(TregError) -> MPILibrary {
    precondition(!kinds.isEmpty)
    if let path = environment["TREG_CMPI"], !path.isEmpty {
      guard access(path, F_OK) == 0 else {
        throw TregError(.unavailable, at: path, "no such file; TREG_CMPI must name the MPI shim (\(advice(kinds[0])))")
      }
      return try MPILibrary(path: path, kind: kinds[0])
    }
    for kind in kinds {
      for folder in folders(beside: executable) {
        let path = "\(folder)/\(kind.shimName)"
        if access(path, F_OK) == 0 { return try MPILibrary(path: path, kind: kind) }
      }
    }
    let names = kinds.map(\.shimName).joined(separator: " or ")
    throw TregError(
      .unavailable, at: executable, "several ranks were started, but \(names) was not found: \(advice(kinds[0]))")
  }

  /// Folders that may hold the shim, in order: beside the executable, as installed, as built.
  package static func folders(beside executable: String) -> [String] {
    let folder = executable.lastIndex(of: "/").map { String(executable[..<$0]) } ?? "."
    return [
      folder, "\(folder)/../lib/treg",
      "\(folder)/../cmpi", "\(folder)/../../cmpi", "\(folder)/../../../.build/cmpi",
    ]
  }

  /// The path of the running program.
  package static func ownExecutable() -> String {
    guard let resolved = realpath("/proc/self/exe", nil) else { return CommandLine.arguments[0] }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private static func advice(_ kind: MPIKind) -> String { "install \(kind.debianPackage), then run make" }

  private init(path: String, kind: MPIKind) throws(TregError) {
    // Global, because Open MPI's plugins look for its symbols there. Never closed: MPI cannot be loaded twice.
    guard let handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL) else {
      let reason = dlerror().map { String(cString: $0) } ?? "unknown reason"
      throw TregError(.unavailable, at: path, "cannot be loaded (\(reason)): \(Self.advice(kind))")
    }
    guard let symbol = dlsym(handle, CMPI_TABLE_SYMBOL) else {
      throw TregError(.unavailable, at: path, "is not treg's MPI shim: no \(CMPI_TABLE_SYMBOL) in it")
    }
    // The version is read alone first: a table of another version may be shorter.
    let version = symbol.load(as: Int32.self)
    guard version == CMPI_TABLE_VERSION else {
      throw TregError(
        .unavailable, at: path, "has version \(version), this treg needs \(CMPI_TABLE_VERSION): run make again")
    }
    table = symbol.load(as: cmpi_table.self)
    self.path = path
    thread = pthread_self()
  }

  /// Makes one call into the shim and turns its error into a `TregError` (69) with the call's name and MPI's words.
  ///
  /// Traps on another thread than the one that loaded the library: MPI_THREAD_FUNNELED (MPI 4.0, 11.6) allows only one.
  package func call(
    at place: String? = nil, _ body: (_ table: cmpi_table, _ error: UnsafeMutablePointer<cmpi_error>) -> Int32
  ) throws(TregError) {
    precondition(pthread_equal(pthread_self(), thread) != 0, "MPI was called from a second thread")
    // Filled only on failure; 0 bytes of text until then, so the happy path need not clear it.
    let failure: String? = withUnsafeTemporaryAllocation(of: cmpi_error.self, capacity: 1) { error in
      body(table, error.baseAddress!) == 0 ? nil : Self.text(of: error.baseAddress!)
    }
    if let failure { throw TregError(.unavailable, at: place, failure) }
  }

  /// A text that the shim writes into a buffer: its first line, up to the first comma.
  package func text(
    _ body: (_ text: UnsafeMutablePointer<CChar>, _ capacity: Int32, _ error: UnsafeMutablePointer<cmpi_error>) -> Int32
  ) throws(TregError) -> String {
    let capacity = 1024
    let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: capacity)
    defer { buffer.deallocate() }
    try call { _, error in body(buffer, Int32(capacity), error) }
    return Self.firstLine(of: String(cString: buffer))
  }

  static func firstLine(of text: String) -> String {
    let line = text.prefix { $0 != "\n" && $0 != "," }
    return line.split(whereSeparator: { $0 == "\t" || $0 == " " }).joined(separator: " ")
  }

  private static func text(of error: UnsafePointer<cmpi_error>) -> String {
    let start = MemoryLayout<cmpi_error>.offset(of: \.text)!
    return String(cString: (UnsafeRawPointer(error) + start).assumingMemoryBound(to: CChar.self))
  }
}
