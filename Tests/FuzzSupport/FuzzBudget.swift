import Glibc

/// How long and from which seed fuzz tests run; the environment says so.
package enum FuzzBudget {
  /// `TREG_FUZZ_SECONDS`, of every parser; one second when it is not set.
  package static let seconds: Double = {
    guard let text = value("TREG_FUZZ_SECONDS") else { return 1 }
    guard let seconds = Double(text), seconds > 0 else { fatalError("TREG_FUZZ_SECONDS must be a positive number") }
    return seconds
  }()

  /// `TREG_FUZZ_SEED`; 1 when it is not set, so that `make test` tries the same inputs every time.
  package static let seed: UInt64 = {
    guard let text = value("TREG_FUZZ_SEED") else { return 1 }
    guard let seed = UInt64(text) else { fatalError("TREG_FUZZ_SEED must be a whole number") }
    return seed
  }()

  /// `TREG_FUZZ_INPUT`: a saved input that is tried instead of all others.
  package static let input: String? = value("TREG_FUZZ_INPUT")

  private static func value(_ name: String) -> String? {
    guard let text = getenv(name), text.pointee != 0 else { return nil }
    return String(cString: text)
  }
}
