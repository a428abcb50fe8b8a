import Reporting
import Testing

@Suite struct ProgressTests {
  final class Output {
    var text = ""
    var time = 0.0
  }

  static func terminal(_ isTerminal: Bool) -> Terminal { Terminal(isTerminal: isTerminal, width: 60) { _ in nil } }

  @Test func withoutATerminalItSpeaksInLines() {
    let output = Output()
    var progress = Progress(
      "training", total: 4, isSpeaking: true, terminal: Self.terminal(false), send: { output.text += $0 },
      seconds: { output.time })
    output.time = 90
    progress.update(1, details: "loss 0.6931")
    progress.update(2, isLogged: false)
    output.time = 180
    progress.update(3)
    progress.finish()
    #expect(output.text == "training 1/4  1:30 < 4:30  loss 0.6931\ntraining 3/4  3:00 < 1:00\n")
  }

  @Test func inATerminalItRedrawsOneLine() {
    let output = Output()
    var progress = Progress(
      "rewards", total: 8, isSpeaking: true, terminal: Self.terminal(true), send: { output.text += $0 },
      seconds: { output.time })
    output.time = 1
    progress.update(4, isLogged: false)
    output.time = 1.05
    progress.update(5)
    progress.finish()
    progress.finish()
    #expect(output.text.contains("50 %") && !output.text.contains("5/8"))
    #expect(output.text.hasPrefix("\rrewards 4/8 █") && output.text.hasSuffix("\u{1B}[K\n"))
    #expect(output.text.filter { $0 == "\n" }.count == 1)
  }

  @Test func itNeverBreaksTheLine() {
    let output = Output()
    var progress = Progress(
      "training", total: 8, isSpeaking: true, terminal: Self.terminal(true), send: { output.text = $0 },
      seconds: { output.time })
    progress.update(8, details: String(repeating: "long ", count: 40))
    #expect(output.text.count - "\r\u{1B}[K".count <= 59)
  }

  @Test func otherRanksAreSilent() {
    let output = Output()
    var progress = Progress(
      "training", total: 4, isSpeaking: false, terminal: Self.terminal(true), send: { output.text += $0 })
    progress.update(4)
    progress.finish()
    #expect(output.text.isEmpty)
  }
}
