import ChatTemplates
import Foundation
import FuzzSupport
import OrderedJSON
import RunFolder
import Testing

/// Damaged templates, and templates of a grammar without types, end in text or in one clear error.
@Suite(.serialized) struct FuzzTests {
  private static let variables: [String: JSONValue] = [
    "bos_token": "<s>", "eos_token": "</s>", "numbers": [3, 1, 2], "person": ["name": "Ada", "tags": ["x", "y"]],
    "n": 7, "text": "  Grüße, wörld 🙂\n second line ", "tools": [["function": ["name": "add"]]],
  ]
  private static let messages: [JSONValue] = [
    ["role": "system", "content": "s"], ["role": "user", "content": "Grüße 🙂"],
    ["role": "assistant", "content": "<think>a</think>b"],
  ]

  private static func isTaken(_ bytes: [UInt8]) throws -> Bool {
    do {
      let template = try ChatTemplate(source: String(decoding: bytes, as: UTF8.self), place: "fuzz")
      _ = try template.render(messages: messages, addGenerationPrompt: true, variables: variables)
      return true
    } catch let error as TregError {
      guard error.exitCode == .badData, !error.message.contains("\n") else { throw error }
      return false
    }
  }

  @Test func damagedTemplatesEndInTextOrOneError() throws {
    let corpus = (GoldenTests.sources + GoldenTests.features["cases"]!.array!.compactMap { $0["template"]?.string })
      .map { Array($0.utf8) }
    let report = try Fuzz.run(
      "templates", corpus: corpus, tokens: Self.words.map { Array($0.utf8) }, body: Self.isTaken)
    #expect(report.sawBoth)
  }

  @Test func templatesOfTheGrammarEndInTextOrOneError() throws {
    // Each input is the seed of a template, so that one that fails can be made again.
    let report = try Fuzz.run("grammar", corpus: [Array("seed".utf8)]) { bytes in
      let seed = bytes.reduce(FuzzBudget.seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
      var grammar = Grammar(random: Mutator(seed: seed))
      let template = grammar.template()
      if FuzzBudget.input != nil { print(String(decoding: template, as: UTF8.self)) }
      return try Self.isTaken(template)
    }
    #expect(report.sawBoth)
  }

  static let words = [
    "{{", "}}", "{%", "%}", "{#", "#}", "-%}", "{%-", "{% if ", "{% endif %}", "{% for x in ", "{% endfor %}",
    "{% set ", "{% endset %}",
    "{% macro m(a, b=1) %}", "{% endmacro %}", "{% call m(1) %}", "{% endcall %}", "{% raw %}", "{% endraw %}",
    "{% break %}",
    "{% generation %}", "{% endgeneration %}", "namespace(", "range(", "loop.", "messages", " | ", "tojson", "indent(",
    " is ", "defined",
    "'", "\"", "(", ")", "[", "]", ":", "::-1", " ~ ", " ** ", " * ", " // ", " % ", " if ", " else ", "recursive",
    "loop(",
    "9223372036854775807", "99999999999999", "-1", "1e308", ".join(", ".replace('', ", ".split(", ".format(",
    "%999999d", "{:>9999}", "center(", "\\u0000",
  ]

  /// Templates that parse more often than not, of values of any type, with large numbers among them.
  private struct Grammar {
    var random: Mutator

    private mutating func pick<T>(_ choices: [T]) -> T { choices.randomElement(using: &random)! }

    mutating func template() -> [UInt8] { Array(block(2).utf8) }

    private mutating func block(_ depth: Int) -> String {
      (0...Int.random(in: 0...1, using: &random)).map { _ in statement(depth) }.joined(
        separator: pick(["", " ", "\n"]))
    }

    private mutating func statement(_ depth: Int) -> String {
      guard depth > 0 else { return "{{ " + expression(2) + " }}" }
      switch Int.random(in: 0..<12, using: &random) {
      case 0:
        return "{% if " + expression(2) + " %}" + block(depth - 1) + "{% else %}" + block(depth - 1) + "{% endif %}"
      case 1: return "{% for x in " + expression(2) + " %}" + block(depth - 1) + "{{ loop.index }}{% endfor %}"
      case 2:
        return "{% for k, v in " + expression(1) + " recursive %}" + block(depth - 1) + "{{ loop(v) }}{% endfor %}"
      case 3: return "{% set x = " + expression(3) + " %}"
      case 4:
        return "{% set ns = namespace(a=" + expression(1) + ") %}{% for i in range(99) %}{% set ns.a = ns.a "
          + pick(["+", "~", "*", "**"]) + " " + pick(["ns.a", "2", "'ab'", "[1]"]) + " %}{% endfor %}"
      case 5:
        return "{% macro m(a, b=" + expression(1) + ") %}" + block(depth - 1) + "{{ a }}" + pick(["", "{{ m(a, b) }}"])
          + "{% endmacro %}{{ m(" + expression(1) + ") }}"
      case 6: return "{% set y | " + filter() + " %}" + block(depth - 1) + "{% endset %}{{ y }}"
      case 7: return "{% filter " + filter() + " %}" + block(depth - 1) + "{% endfilter %}"
      case 8: return "{% generation %}" + block(depth - 1) + "{% endgeneration %}"
      default: return "{{ " + expression(3) + " }}"
      }
    }

    private mutating func filter() -> String {
      pick([
        "upper", "trim", "length", "list", "tojson", "tojson(indent=99)", "indent(999)", "center(9999)", "join(text)",
        "sort", "unique | list", "map('upper') | list", "batch(2) | list", "slice(3) | list",
        "replace('', text)", "int", "float", "round(2)", "sum", "reverse", "first", "last", "groupby(0)", "dictsort",
        "format(1, 2)", "truncate(3)", "urlencode", "select('string') | list", "default(1)", "min", "escape",
      ])
    }

    private mutating func expression(_ depth: Int) -> String {
      guard depth > 0 else {
        return pick([
          "x", "y", "k", "v", "ns", "ns.a", "m", "messages", "text", "person", "numbers", "missing", "none", "true",
          "n", "0", "-1", "7", "1000000", "9223372036854775807", "1.5", "1e308", "'a'", "'é🙂'", "''", "'%s%d'",
          "'{0:>9}{}'",
          "[]", "{}", "(1,)", "range(9)", "range(100000)", "loop", "namespace()", "messages[0].content", "cycler(1, 2)",
        ])
      }
      func inner(_ grammar: inout Grammar) -> String { grammar.expression(depth - 1) }
      switch Int.random(in: 0..<10, using: &random) {
      case 0, 1:
        return "(" + inner(&self) + " "
          + pick(["+", "-", "*", "/", "//", "%", "**", "~", "<", "==", "in", "and", "or"]) + " " + inner(&self) + ")"
      case 2, 3: return "(" + inner(&self) + ") | " + filter()
      case 4:
        return inner(&self)
          + pick([
            ".strip()", ".split()", ".split('')", ".upper()", ".join(" + inner(&self) + ")",
            ".replace('', " + inner(&self) + ")", ".items()", ".get(1)", ".format(" + inner(&self) + ")",
            ".ljust(9999)", ".expandtabs(99999999)", ".zfill(" + inner(&self) + ")", ".next()", ".keys()",
          ])
      case 5:
        return inner(&self) + "[" + pick([inner(&self), "::-1", "1:", ":" + inner(&self), "::" + inner(&self)]) + "]"
      case 6: return "[" + inner(&self) + ", " + inner(&self) + "]"
      case 7: return "{" + inner(&self) + ": " + inner(&self) + "}"
      case 8: return "(" + inner(&self) + " if " + inner(&self) + " else " + inner(&self) + ")"
      default:
        return inner(&self) + " is "
          + pick(["defined", "string", "odd", "divisibleby 3", "iterable", "in [1]", "sameas none"])
      }
    }
  }
}
