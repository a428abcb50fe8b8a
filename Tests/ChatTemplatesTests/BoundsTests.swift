import ChatTemplates
import OrderedJSON
import RunFolder
import Testing

/// Templates are files from elsewhere: whatever is in them ends in text or in one clear error.
struct BoundsTests {
  private func render(_ source: String, _ messages: [JSONValue] = []) throws -> String {
    try ChatTemplate(source: source, place: "chat_template.jinja").render(messages: messages, addGenerationPrompt: true)
  }

  private func message(_ source: String) -> String? {
    #expect(throws: TregError.self, "\(source.prefix(80))") { try render(source) }?.description
  }

  @Test func errorNamesPlaceAndLine() {
    #expect(message("a\n{{ b c }}") == "chat_template.jinja, line 2: expected '}}', found 'c'")
    #expect(message("\n\n{{ raise_exception('no\nsystem') }}") == "chat_template.jinja, line 3: no system")
    #expect(message("x\n{{ a.b.c }}") == "chat_template.jinja, line 2: 'a' is undefined, so it has no 'b'")
    #expect(message("{% include 'x' %}")?.contains("'include' is not supported") == true)
  }

  @Test(arguments: [
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(x='ab') %}{% for a in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for a in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{{ 'a' * 1000000000000 }}", "{{ [0] * 9223372036854775807 }}", "{{ 'ab'.center(1000000000) }}",
    "{{ ('a' * 100000).replace('', 'b' * 100000) }}", "{{ '%999999999s' % 'x' }}",
    "{{ 'x' | indent(99999999999) }}", "{{ ' '.join(['a' * 1000000] * 1000) }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(a) %}{{ a ~ m(a) }}{% endmacro %}{% set f %}{{ m('x') }}{% endset %}",
    "{% for a in range(100000) %}{{ 'a' * 100000 }}{% endfor %}",
    "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 64 }}", "{{ -9223372036854775807 - 2 }}", "{{ 10 ** 10 ** 10 }}",
    "{{ 'é🙂'.zfill(9223372036854775807) }}", "{{ 'é'.center(9223372036854775807, '🙂') }}",
    "{{ '\\ta\\t'.expandtabs(9223372036854775807) }}",
    "{{ range(0, 9223372036854775807, 9223372036854775806)[:] }}", "{{ '{:>99999}'.format('x') }}",
    "{{ '%*d' % (99999999, 1) }}",
    "{{ '%.99999f' % 1.5 }}", "{{ 10.0 ** 400 }}", "{{ [1] | batch(999999999, 0) | list }}",
    "{{ [1] | slice(999999999) | list }}",
    "{{ 'x' | center(999999999) }}", "{{ [1] | tojson(indent=999999) }}", "{{ '%9999s' * 9999 % ((1,) * 9999) }}",
    "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
    "{{ (-9223372036854775807 - 1) // -1 }}", "{{ 99999999999999999999 }}", "{{ range(0, 9223372036854775807, 2) }}",
    "{% set ns = namespace(x=[]) %}{% for a in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}",
    "{% set ns = namespace(x=1) %}{% for a in range(100000) %}{% set ns.x = {'a': ns.x}.get %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for a in range(150) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=[1], y=[2]) %}{% for a in range(99) %}{% set ns.x = [ns.x, ns.x] %}"
      + "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x | tojson }}",
  ])
  func hostileTemplateIsRefused(source: String) {
    #expect(message(source) != nil)
  }

  @Test(arguments: ["(", "[", "-", "not ", "{'a': ", "a[", "a(", "1 if ", "a|d(", "+ ", "a.b(c("])
  func deepNestingIsRefused(opening: String) {
    #expect(message("{{ " + String(repeating: opening, count: 100_000)) != nil)
  }

  @Test(arguments: [".a", "[0]", "()", " + 1", "|trim", " is defined", " if 1 else 2", " ~ 1 + 1", "[:]"])
  func longChainsAreRefused(link: String) {
    #expect(message("{{ a" + String(repeating: link, count: 100_000) + " }}") != nil)
  }

  @Test(arguments: ["{% if 1 %}", "{% for a in [1] %}", "{% macro m() %}", "{% set a %}", "{% filter trim %}"])
  func deepBlocksAreRefused(opening: String) {
    #expect(message(String(repeating: opening, count: 50_000)) != nil)
  }

  @Test(arguments: [
    "{{ 'x'.zfill(-9223372036854775807 - 1) }}", "{{ 'x'[-9223372036854775807 - 1:] }}",
    "{{ 'x'.find('x', -9223372036854775807 - 1) }}",
    "{{ 'x' | truncate(9223372036854775807) }}", "{{ 'x'.ljust(-5) }}",
  ])
  func extremeIntegersAreTaken(source: String) throws { #expect(try ["x", "0"].contains(render(source))) }

  @Test func cyclesAndChainsLeaveNothingBehindThatOverflows() throws {
    let chain =
      "{% set ns = namespace() %}{% set ns.me = ns %}"
      + "{% for a in range(50000) %}{% set ns.x = namespace(previous=ns.x) %}{% endfor %}{{ ns.me.me.x is defined }}"
    #expect(try render(chain) == "True")
    let closures =
      "{% set ns = namespace(f=none) %}{% for a in range(2000) %}{% macro m() %}{{ a }}{% endmacro %}{% set ns.f = m %}"
      + "{% endfor %}{{ ns.f() }}"
    #expect(try render(closures) == "1999")
  }
}
