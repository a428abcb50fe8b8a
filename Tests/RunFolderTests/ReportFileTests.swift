import RunFolder
import Testing

@Suite struct ReportFileTests {
  @Test func statusSurvivesItsFile() throws {
    let folder = try TemporaryFolder()
    var status = RunStatus(ranks: 4, totalSteps: 60)
    status.state = .training
    status.step = 12
    status.epoch = 0.2
    status.message = "waiting for \"node 3\""
    try status.write(to: folder("status.json"))
    #expect(try RunStatus(readingFrom: folder("status.json")) == status)
    try AtomicFile.write("{\"state\": \"asleep\"}", to: folder("status.json"))
    #expect(failure { _ = try RunStatus(readingFrom: folder("status.json")) }?.exitCode == .badData)
  }

  @Test func theFirstCauseIsNamedNotItsEcho() throws {
    let folder = try TemporaryFolder()
    let layout = RunLayout(folder.path)
    #expect(try ErrorReport.firstCause(in: layout) == nil)
    let lost = TregError(.unavailable, "the connection to rank 7 is lost")
    let cause = TregError(.nonFinite, "the gradient norm is not finite")
    try ErrorReport(lost, rank: 2, step: 412, phase: "exchange", isEcho: true, time: 10).write(in: layout)
    try ErrorReport(cause, rank: 7, step: 412, phase: "backward", host: "node03", time: 11).write(in: layout)
    try AtomicFile.write("{", to: layout.error(rank: 9))
    let first = try ErrorReport.firstCause(in: layout)
    #expect(first?.line == "rank 7 (node03) step 412 backward: the gradient norm is not finite")
    #expect(first?.exitCode == .nonFinite)
  }

  @Test func linesAreAppended() throws {
    let folder = try TemporaryFolder()
    do {
      let file = try AppendingFile(folder("log"))
      try file.append("a")
    }
    do {
      let file = try AppendingFile(folder("log"))
      try file.append("b")
      try file.flush()
    }
    #expect(try FileSystem.readText(folder("log")) == "a\nb\n")
  }

  @Test func readingRefusesWhatItMust() throws {
    let folder = try TemporaryFolder()
    try AtomicFile.write([0x61, 0xFF], to: folder("a"))
    #expect(failure { _ = try FileSystem.readText(folder("a")) }?.exitCode == .badData)
    #expect(failure { _ = try FileSystem.readBytes(folder("a"), maximumCount: 1) }?.exitCode == .badData)
    #expect(failure { _ = try FileSystem.readBytes(folder.path) }?.exitCode == .inputMissing)
    #expect(
      failure { _ = try FileSystem.contents(ofFolder: folder("a")) }?.message == "expected a folder, found a file")
  }

  @Test func pathsArePartedAndJoined() {
    #expect(FileSystem.parent(of: "a") == "." && FileSystem.parent(of: "/a/") == "/")
    #expect(FileSystem.parent(of: "a/b/c//") == "a/b" && FileSystem.name(of: "a/b/c//") == "c")
    #expect(FileSystem.join("a/", "b") == "a/b" && FileSystem.join("a", "b") == "a/b")
  }

  @Test func momentsAreWrittenInUTC() {
    #expect(Machine.timestamp(1_714_564_805.9) == "2024-05-01T12:00:05Z")
  }
}
