import FuzzSupport
import Glibc
import Testing

@Suite struct FuzzSupportTests {
  private let good = Array("{\"shape\": [12, 3], \"name\": \"a\"}".utf8)

  @Test func sameSeedMakesTheSameDamage() {
    func inputs(_ seed: UInt64) -> [[UInt8]] {
      var mutator = Mutator(seed: seed, tokens: [[1, 2, 3]])
      return (0..<500).map { _ in mutator.mutate(bytes: good, corpus: [good, [9, 9, 9]]) }
    }
    #expect(inputs(3) == inputs(3))
    #expect(inputs(3) != inputs(4))
    #expect(Set(inputs(3)).count > 400)
    #expect(inputs(3).contains { String(decoding: $0, as: UTF8.self).contains("1844674407370955161") })
    #expect(inputs(3).allSatisfy { $0.count <= 1 << 20 + 4096 })
  }

  @Test func emptyFilesAndEmptyCorpora() {
    var mutator = Mutator(seed: 1)
    var bytes: [UInt8] = []
    for _ in 0..<10_000 { bytes = Array(mutator.mutate(bytes: bytes).prefix(2000)) }
  }

  @Test func countsWhatIsTaken() throws {
    let report = try Fuzz.run("count", corpus: [good]) { $0 == good }
    #expect(report.cases > 1)
    #expect(report.accepted >= 1 && report.sawBoth)
    #expect(try !Fuzz.run("count", corpus: [good]) { _ in true }.sawBoth)
  }

  @Test func triesASavedInputAlone() async {
    await #expect(processExitsWith: .success) {
      setenv("TREG_FUZZ_INPUT", "/dev/null", 1)
      let report = try Fuzz.run("retry", corpus: [[1], [2]]) { !$0.isEmpty }
      precondition(report.cases == 1 && report.refused == 1 && report.sawBoth)
    }
  }

  @Test func passesErrorsOn() {
    struct Finding: Error {}
    #expect(throws: Finding.self) {
      try Fuzz.run("error", corpus: [good]) { bytes in
        if bytes.count < 8 { throw Finding() }
        return true
      }
    }
  }

  @Test func endsTheProcessAtATrapAndAHang() async {
    await #expect(processExitsWith: .failure) {
      try Fuzz.run("trap", corpus: [[1, 2, 3]]) { $0[$0.count] == 0 }
    }
    await #expect(processExitsWith: .signal(6)) {
      try Fuzz.run("hang", corpus: [[1]], patience: 0.1) { _ in
        while true {}
      }
    }
  }
}
