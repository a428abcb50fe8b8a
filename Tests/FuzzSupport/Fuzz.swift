import Glibc

/// Feeds damaged files to a parser.
///
///     let report = try Fuzz.run("safetensors", corpus: [good]) { bytes in
///       do { _ = try parse(bytes); return true } catch is TregError { return false }
///     }
///     #expect(report.sawBoth)
///
/// What is found does not pass quietly. An input that traps, crashes, or keeps the parser for longer than `patience` ends the
/// process, and so the test run, by a signal; one at which `body` throws makes ``run(_:corpus:tokens:front:patience:body:)``
/// throw. In each case the input is first saved as `treg-fuzz-NAME-input` in `TMPDIR` (or `/tmp`), and its place printed.
/// `TREG_FUZZ_INPUT=FILE` tries that file again. Run longer with
///
///     (ulimit -v 8000000; TREG_FUZZ_SECONDS=600 TREG_FUZZ_SEED=7 scripts/test --filter FuzzTests)
///
/// where the limit turns memory beyond the file's means into a crash.
package enum Fuzz {
  package struct Report: Sendable {
    /// Inputs tried.
    package var cases = 0
    /// Inputs that the parser took.
    package var accepted = 0
    package var slowestSeconds = 0.0
    package var refused: Int { cases - accepted }
    /// Whether one saved input was tried instead of many made ones.
    package var isRetry = false
    /// Whether the parser took some inputs and refused others, so that the damage reaches both sides. The one input of a retry
    /// can do no more than come through.
    package var sawBoth: Bool { isRetry || (accepted > 0 && refused > 0) }
  }

  /// Tries damaged files until ``FuzzBudget/seconds`` have passed.
  ///
  /// - Parameters:
  ///   - name: of the parser, in files and messages.
  ///   - corpus: good files; each is also tried as it is, before any damage.
  ///   - tokens: see ``Mutator``.
  ///   - front: see ``Mutator``.
  ///   - patience: seconds that one input may take.
  ///   - body: true when the parser took the input, false when it refused it as it should; it throws what is a finding.
  @discardableResult
  package static func run(
    _ name: String, corpus: [[UInt8]], tokens: [[UInt8]] = [], front: Int = 1024, patience: Double = 20,
    body: (_ bytes: [UInt8]) throws -> Bool
  ) throws -> Report {
    precondition(!corpus.isEmpty, "fuzzing \(name) needs a corpus")
    var report = Report()
    let record = CrashRecord(name)
    func attempt(_ bytes: [UInt8]) throws {
      let start = now()
      let isAccepted = try record.keeping(bytes, patience: patience) { try body(bytes) }
      report.cases += 1
      report.accepted += isAccepted ? 1 : 0
      report.slowestSeconds = max(report.slowestSeconds, now() - start)
    }
    if let path = FuzzBudget.input {
      report.isRetry = true
      try attempt(contents(of: path))
      return report
    }
    for bytes in corpus { try attempt(bytes) }
    var mutator = Mutator(seed: FuzzBudget.seed, tokens: tokens, front: front)
    let end = now() + FuzzBudget.seconds
    while now() < end {
      var bytes = mutator.mutate(bytes: corpus.randomElement(using: &mutator)!, corpus: corpus)
      // Damage upon damage now and then: some states need several steps.
      while Int.random(in: 0..<4, using: &mutator) == 0 { bytes = mutator.mutate(bytes: bytes, corpus: corpus) }
      try attempt(bytes)
    }
    if FuzzBudget.seconds > 10 {
      print(
        "fuzz \(name): \(report.cases) inputs, \(report.accepted) taken, slowest \(report.slowestSeconds) s, no finding"
      )
    }
    return report
  }

  static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private static func contents(of path: String) -> [UInt8] {
    guard let file = fopen(path, "rb") else { fatalError("TREG_FUZZ_INPUT: cannot read \(path)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var byte = fgetc(file)
    while byte != EOF {
      bytes.append(UInt8(truncatingIfNeeded: byte))
      byte = fgetc(file)
    }
    return bytes
  }
}
