import CMPI
import Glibc

/// Which MPI shims are installed and whether their libmpi loads, without starting MPI.
///
/// Several MPIs can be looked at in one process, because their symbols stay apart here.
package struct MPIProbe: Sendable {
  package let kind: MPIKind
  /// The shim's file; nil: there is none.
  package let path: String?
  /// Name and version of the MPI behind it, or why it does not load; nil without a shim.
  package let library: Result<String, Reason>?

  package struct Reason: Error, CustomStringConvertible {
    package let description: String
  }

  /// Looks where ``MPILibrary`` does: at `TREG_CMPI` alone when it is set.
  package init(_ kind: MPIKind, environment: [String: String], executable: String = MPILibrary.ownExecutable()) {
    self.kind = kind
    let candidates: [String]
    if let given = environment["TREG_CMPI"], !given.isEmpty {
      candidates = given.hasSuffix(kind.shimName) ? [given] : []
    } else {
      candidates = MPILibrary.folders(beside: executable).map { "\($0)/\(kind.shimName)" }
    }
    path = candidates.first { access($0, F_OK) == 0 }
    library = path.map(Self.load)
  }

  private static func load(_ path: String) -> Result<String, Reason> {
    func failure(_ message: String) -> Result<String, Reason> { .failure(Reason(description: message)) }
    // Local, unlike for use: two MPIs have the same names.
    guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      return failure(dlerror().map { String(cString: $0) } ?? "cannot be loaded")
    }
    guard let symbol = dlsym(handle, CMPI_TABLE_SYMBOL) else { return failure("is not treg's MPI shim") }
    let version = symbol.load(as: Int32.self)
    guard version == CMPI_TABLE_VERSION else {
      return failure("has version \(version), this treg needs \(CMPI_TABLE_VERSION): run make again")
    }
    let table = symbol.load(as: cmpi_table.self)
    var text = [CChar](repeating: 0, count: 1024)
    var error = cmpi_error()
    guard table.library_name(&text, Int32(text.count), &error) == 0 else { return failure("does not tell its version") }
    let name = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    return .success(MPILibrary.firstLine(of: name))
  }
}
