import Reporting
import Testing

@Suite struct TerminalTests {
  @Test(arguments: [
    (true, ["TERM": "xterm-256color"], Terminal.Palette.cube),
    (true, ["TERM": "xterm-256color", "COLORTERM": "truecolor"], .full),
    (true, ["TERM": "xterm-256color", "NO_COLOR": "1"], .none),
    (true, ["TERM": "xterm-256color", "NO_COLOR": ""], .cube),
    (true, ["TERM": "dumb"], .none),
    (false, ["TERM": "xterm-256color"], .none),
    (false, ["FORCE_COLOR": "1"], .cube),
    (false, ["FORCE_COLOR": "1", "NO_COLOR": "1"], .none),
  ])
  func coloursFollowTheEnvironment(isTerminal: Bool, environment: [String: String], palette: Terminal.Palette) {
    #expect(Terminal(isTerminal: isTerminal, width: nil) { environment[$0] }.palette == palette)
  }

  @Test func tokensAreColouredOrNumbered() {
    let plain = TokenColouring(.none)
    #expect(plain.text(of: " wrong", reward: -0.31) == " wrong[-0.31]")
    #expect(plain.text(of: " fine", reward: 0.01) == " fine")
    #expect(plain.text(of: "prompt", reward: nil) == "prompt")
    let full = TokenColouring(.full)
    #expect(full.text(of: "x", reward: 0.5) == "\u{1B}[48;2;33;102;172;97mx\u{1B}[0m")
    #expect(full.text(of: "x", reward: -9) == "\u{1B}[48;2;178;24;43;97mx\u{1B}[0m")
    // (178, 24, 43) is cell (3, 0, 1) of the cube: 16 + 36 · 3 + 1.
    #expect(TokenColouring(.cube).text(of: "x", reward: -0.5) == "\u{1B}[48;5;125;97mx\u{1B}[0m")
  }

  @Test func textsDoNotSteerTheTerminal() {
    #expect(TokenColouring.visible("a\u{1B}[2J\u{7}\u{9B}\u{202E}\tb\n") == "a<1B>[2J<7><9B><202E>⇥b⏎\n")
    let coloured = TokenColouring(.cube).text(of: "a\nb", reward: 0.5)
    #expect(coloured.split(separator: "\n").allSatisfy { $0.hasSuffix("\u{1B}[0m") })
  }

  @Test func tablesAlign() {
    var table = Table([("", .left), ("before", .right), ("after", .right)])
    table.append(["logps/accuracies", "0.640", "\u{1B}[1m0.780\u{1B}[0m"])
    table.append(["seconds", "", "9"])
    #expect(
      table.text == """
                          before  after
        logps/accuracies   0.640  \u{1B}[1m0.780\u{1B}[0m
        seconds                       9
        """)
  }

  @Test func numbersReadWell() {
    #expect(NumberFormat.fixed(0.693147, decimals: 4) == "0.6931")
    #expect(NumberFormat.fixed(1e300, decimals: 2).count == 304)
    #expect(NumberFormat.signed(0.5, decimals: 2) == "+0.50" && NumberFormat.fixed(.nan, decimals: 2) == "nan")
    #expect(NumberFormat.significant(5e-7) == "5e-07" && NumberFormat.significant(0.123456) == "0.1235")
    #expect(NumberFormat.count(1_234_567) == "1,234,567" && NumberFormat.count(-999) == "-999")
    #expect(NumberFormat.bytes(1023) == "1023 B" && NumberFormat.bytes(3 << 29) == "1.50 GiB")
    #expect(NumberFormat.duration(4.25) == "4.2 s" && NumberFormat.duration(59.96) == "1:00")
    #expect(NumberFormat.duration(7384) == "2:03:04" && NumberFormat.duration(.infinity) == "?")
  }

  @Test func memoryIsMeasured() throws {
    let peak = try #require(ProcessMemory.peakBytes)
    let current = try #require(ProcessMemory.currentBytes)
    #expect(current > 1 << 20 && peak >= current - (1 << 20))
  }
}
