"""Random templates with what transformers' own environment makes of them.

    python Tests/Oracles/template_differential.py --seed 1 --count 20000 cases.jsonl
    TREG_TEMPLATE_CASES=cases.jsonl scripts/test --filter DifferentialTests

Needs transformers and jinja2. A grammar gives mostly well-typed templates of every statement, operator, filter, test and
method; some places are given a value of another type on purpose, and some templates are damaged, so that errors are
compared too, by their kind. With `--golden`, writes the small file that `make test` reads.

Not generated, as the interpreter knowingly differs: sums and repr of `Markup` (what `escape` and `safe` give is plain text there);
integers beyond 64 bits and complex numbers (refused); names that an outer body reads inside a loop or macro before
setting them itself (jinja2 then hides the value from outside); the filters and tags that are refused by name.

Lines without `template` are contexts, in order; the others name one by its index.
"""

import argparse
import json
import pathlib
import random
import warnings

import jinja2
from transformers.utils.chat_template_utils import _compile_jinja_template, render_jinja_template

warnings.simplefilter("ignore")
COMPILE = getattr(_compile_jinja_template, "__wrapped__", _compile_jinja_template)
GOLDEN = pathlib.Path(__file__).parent.parent / "ChatTemplatesTests" / "Golden" / "differential.jsonl"

CONTEXTS = [
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "  Grüße 🙂\n"},
            {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello!", "tool_calls": [
                {"type": "function", "function": {"name": "add", "arguments": {"x": 2, "y": "zwei ü"}}}]},
            {"role": "tool", "content": "4"},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image"}]},
            {"role": "assistant", "content": None},
        ],
        "bos_token": "<s>", "eos_token": "</s>",
        "numbers": [3, 1, 2], "floats": [0.1, 2.5, -3.0], "words": ["pear", "Apple", "fig", "apple"],
        "text": "  Grüße, wörld 🙂\n second line ", "person": {"name": "Ada", "age": 36, "tags": ["x", "y"], "items": "shadowed", "none": None},
        "pairs": [{"k": "b", "v": 2, "on": True}, {"k": "a", "v": 1, "on": False}, {"k": "B", "v": 2, "on": None}],
        "n": 7, "zero": 0, "ratio": 0.1, "yes": True, "no": False, "nothing": None, "empty": "", "hole": {},
        "html": "<a href=\"x\">&'</a>", "nested": {"a": [1, 2.5, None, True, "é\"'"], "b": {}, "c": []},
        "tools": [{"type": "function", "function": {"name": "add", "description": "Adds <two> numbers", "parameters": {"z": 1, "a": [1.0, None]}}}],
    },
    {
        "messages": [{"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "Four.", "reasoning": "add them"}],
        "bos_token": "", "eos_token": "<|end|>", "numbers": [], "floats": [1e16, -0.5], "words": ["ǆ", "ß", "İ", "a b", ""],
        "text": "a,b;c\r\nd\x0be\u2028f\t", "person": {"name": "ångström", "age": -1, "tags": []},
        "pairs": [], "n": -3, "zero": 0, "ratio": 1e-7, "yes": True, "no": False, "nothing": None, "empty": "", "hole": {},
        "html": "&amp; <b>bold</b>  <!-- x -->", "nested": {"1": {"x": [[], {}]}, "z": -1},
        "documents": [{"title": "T", "text": "x"}],
    },
]


def kind(error):
    if isinstance(error, jinja2.TemplateSyntaxError):
        return "syntax"
    if type(error) is jinja2.TemplateError:
        return "raised"
    for types, name in (
        (jinja2.UndefinedError, "undefined"), (jinja2.exceptions.SecurityError, "security"),
        (jinja2.TemplateRuntimeError, "runtime"), (ZeroDivisionError, "division"), (OverflowError, "bound"),
        ((TypeError, AttributeError), "type"), (ValueError, "value"), ((KeyError, IndexError), "lookup"),
    ):
        if isinstance(error, types):
            return name
    return None


def outcome(source, context):
    """The text or the kind of error; None for what has no counterpart (an address, a bound of Python's own)."""
    try:
        template = COMPILE(source)
    except SyntaxError as error:
        return (None, None) if "nested" in str(error) else ("error: syntax", str(error))
    except jinja2.TemplateError as error:
        return "error: syntax", str(error)
    except Exception:  # jinja2's folding of constants fails on its own account
        return None, None
    try:
        # The whole way, so that tools, documents and reasoning reach the template as they do in use.
        context = dict(context)
        text = render_template(source, context)
    except RecursionError:
        return None, None
    except Exception as error:
        name = kind(error)
        if name is None:
            return None, None
        return (f"raised: {error}" if name == "raised" else f"error: {name}"), f"{type(error).__name__}: {error}"
    if " at 0x" in text or len(text) > 20000:
        return None, None
    return f"text: {text}", None


def render_template(source, context):
    rendered, _ = render_jinja_template(
        conversations=[context.pop("messages")], tools=context.pop("tools", None), documents=context.pop("documents", None),
        chat_template=source, add_generation_prompt=True, **context)
    return rendered[0]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.macros = []
        self.locals = []
        self.loops = 0

    def pick(self, *choices):
        return self.random.choice(choices)

    def chance(self, probability):
        return self.random.random() < probability

    # Expressions by the type they mostly have.
    def expression(self, depth=3, type=None):
        if type is None or self.chance(0.06):
            type = self.pick("str", "str", "str", "int", "float", "bool", "list", "dict", "any", "undefined")
        text = getattr(self, "expr_" + type)(depth)
        if self.chance(0.3 if " " in text else 0.03):
            text = "(" + text + ")"
        if depth > 0 and self.chance(0.04):
            text = f"({text} if {self.expression(depth - 1, 'bool')}{self.pick('', ' else ' + self.expression(depth - 1, type))})"
        return text

    def literal_text(self):
        body = self.random.choice([
            "a", "Hello", "  x ", "", "a,b,c", "aXbX", "é", "🙂 x", "\\n", "tab\\t", "it\\'s", "\\\"q\\\"", "<b>", "%s", "{}", "Title case-words (x) don\\'t",
            "line1\\nline2\\n\\nline4", "123", "-7", "3.5", "0x1f", "ǅ", "ß", "ΑΣ", "\\u00e9\\x41", "aaa", "abcabc", "</think>x", "<|im_start|>", "1_000", " 42 ", "nan", "1e3",
            "ﬁ", "e\\u0301", "\\u200b", "\\x00", "\\x7f", "\\x85", "\\u2028", "²", "Ⅷ", "一", "x.y", "http://a.b/c?d=e&f= g", "%d", "{0}-{x}", "a=b=c",
        ])
        quote = self.pick("'", '"')
        return quote + body + quote

    def expr_str(self, d):
        if d <= 0 or self.chance(0.25):
            return self.pick(self.literal_text(), self.literal_text(), "text", "bos_token", "empty", "html", "person.name", "messages[0].role",
                             "messages[1]['content']", "words[0]", *[v for v, t in self.locals if t == "str"])
        choice = self.random.randrange(15)
        s = lambda: self.expression(d - 1, "str")
        if choice == 0:
            return f"{s()} {self.pick('+', '~')} {s()}"
        if choice == 1:
            return f"{s()} ~ {self.expression(d - 1)}"
        if choice == 2:
            return f"{s()} * {self.pick('2', '0', '-1', '3', 'n')}"
        if choice in (3, 4, 5):
            return f"{s()}{self.method_str(d)}"
        if choice in (6, 7, 8):
            return f"{s()} | {self.filter_str(d)}"
        if choice == 9:
            return f"{s()}[{self.slice(d)}]"
        if choice == 10:
            return f"{self.format(d)}"
        if choice == 11:
            return f"{self.expression(d - 1, 'list')} | join({self.pick('', s(), s())})"
        if choice == 12:
            return f"{self.expression(d - 1)} | {self.tojson(d)}"
        if choice == 13 and self.macros:
            return self.macro_call(d)
        return f"{self.expression(d - 1)} | string"

    def tojson(self, d):
        return self.pick("tojson", "tojson", "tojson(indent=2)", "tojson(ensure_ascii=true)", "tojson(sort_keys=true)", "tojson(separators=(',', ':'))",
                         "tojson(indent=0)", "tojson(indent='--')", "tojson(true)", "tojson(false, 4, none, true)", "tojson(indent=4, separators=[' ,', ' : '])")

    def format(self, d):
        value = lambda: self.expression(d - 1, self.pick("str", "int", "float", "any"))
        spec = self.pick("%s", "%d", "%5s|", "%-5s|", "%05d", "%.2f", "%e", "%g", "%x", "%X", "%o", "%r", "%+d", "% d", "%#x", "%.3s", "%c", "%i", "%8.3f", "%G", "%a", "%.0f", "%#.3g", "%*d", "%.1e")
        brace = self.pick("{}", "{:>5}", "{:<5}|", "{:^6}|", "{:*^7}", "{:05}", "{:d}", "{:.2f}", "{:,}", "{!r}", "{:x}", "{:+}", "{:e}", "{:%}", "{:.3}", "{:_}", "{0}", "{0!s:>4}", "{:#x}", "{:b}", "{:g}", "{: d}", "{:=+6}", "{:s}", "{:c}", "{:n}", "{:.1%}", "{:08.3f}")
        return self.pick(
            f"'{spec}' % {value()}" if self.chance(0.5) else f"'{spec}' % ({value()},)",
            f"'{spec}' | format({value()})",
            f"'<{spec}{self.pick('%s', '%d', '%%')}>' % ({value()}, {value()})",
            f"'%(a)s-%(b)r' % {{'a': {value()}, 'b': {value()}}}",
            f"'{brace}'.format({value()})",
            f"'{brace} {{x}} {{{{}}}}'.format({value()}, x={value()})",
            f"'{{0.name}} {{0[age]}} {{1[0]}}'.format(person, numbers)",
        )

    def method_str(self, d):
        s = lambda: self.expression(min(d - 1, 1), "str")
        i = lambda: self.pick("1", "2", "0", "-1", "5", "10", "n")
        return self.pick(
            ".strip()", f".strip({s()})", ".lstrip()", ".rstrip()", f".rstrip({s()})", f".lstrip({s()})", ".upper()", ".lower()", ".title()", ".capitalize()",
            ".swapcase()", ".casefold()", f".replace({s()}, {s()})", f".replace({s()}, {s()}, {i()})", f".removeprefix({s()})", f".removesuffix({s()})",
            f".split({s()})[{i()}]", ".split()[0]", f".join({self.expression(d - 1, 'list')})", f".zfill({i()})", f".ljust({i()})", f".rjust({i()}, '*')",
            f".center({i()}, '-')", f".center({i()})", ".expandtabs()", f".expandtabs({i()})", f".partition({s()})[{self.pick(0, 1, 2)}]", f".rpartition({s()})[{self.pick(0, 1, 2)}]",
            f".format({s()})", ".splitlines()[0]", ".nosuch", f".{self.pick('strip', 'upper', 'split', 'startswith', 'replace', 'join', 'zfill')}({self.pick('1', 'none', '[]', '1, 2, 3, 4', 'x=1')})",
        )

    def filter_str(self, d):
        s = lambda: self.expression(min(d - 1, 1), "str")
        i = lambda: self.pick("1", "2", "0", "-1", "5", "10", "n")
        return self.pick(
            "trim", f"trim({s()})", "upper", "lower", "title", "capitalize", f"replace({s()}, {s()})", f"replace({s()}, {s()}, {i()})", "string",
            "indent", f"indent({i()})", f"indent({i()}, true)", f"indent(width={i()}, first=true, blank=true)", f"indent({s()})", f"center({i()})", "center",
            f"default({s()})", f"default({s()}, true)", "d('x', boolean=yes)", "reverse", "first", "last", "wordcount", "length", "int", "float", f"int({i()})", f"float({i()})",
            f"int(default={i()}, base={self.pick('16', '2', '8', '0', '10', '36')})", "list", "unique | list", "sort | join", f"truncate({i()})", f"truncate({i()}, true)", f"truncate({i()}, true, '..')", f"truncate({i()}, leeway=0)",
            "urlencode", "count", "tojson", "attr('upper')", "nosuchfilter" if self.chance(0.1) else "trim", "map('upper') | join", "select | list", "batch(2) | list", f"format({s()})",
            "min", "max", "abs", "round", "sum", "items | list", "dictsort", f"join({s()})", "groupby(0)", "slice(2) | list", "filesizeformat", "trim | trim",
        )

    def slice(self, d):
        bound = lambda: self.pick("", "", "1", "0", "-1", "2", "-2", "100", "-100", "n", "none", self.expression(0, "int"))
        return self.pick(f"{bound()}:{bound()}", f"{bound()}:{bound()}:{self.pick('', '1', '-1', '2', '-2', '0')}", self.pick("0", "-1", "1", "9", "-9", "n", "'x'", "'upper'"))

    def expr_int(self, d):
        if d <= 0 or self.chance(0.3):
            return self.pick("0", "1", "2", "-1", "7", "10", "n", "zero", "numbers[0]", "person.age", "1_000", "0x1F", "0b101", "0o17", *[v for v, t in self.locals if t == "int"])
        i = lambda: self.expression(d - 1, "int")
        return self.pick(
            f"{i()} {self.pick('+', '-', '*', '//', '%')} {i()}", f"({i()} {self.pick('+', '-', '*', '//', '%')} {i()})", f"{i()} ** {self.pick('2', '3', '0', '-1')}", f"-{i()}", f"+{i()}",
            f"{self.expression(d - 1, self.pick('str', 'list', 'dict'))} | {self.pick('length', 'count')}", f"{self.expression(d - 1)} | int", f"{self.expression(d - 1, 'str')}.{self.pick('find', 'rfind', 'count', 'index', 'rindex')}({self.expression(min(d - 1, 1), 'str')}{self.pick('', '', ', 1', ', -2', ', 0, 3', ', 2, -1', ', none, 2', ', 100')})",
            f"{self.expression(d - 1, 'list')} | {self.pick('sum', 'min', 'max', 'first', 'last')}", f"{i()} | abs", f"{i()} | round", f"{i()} | round({self.pick('1', '-1', '2')})", f"{self.expression(d - 1, 'list')}.{self.pick('index', 'count')}({self.expression(d - 1)})",
            f"{self.expression(d - 1, 'str')} | wordcount", f"{self.expression(d - 1, 'bool')} + {i()}",
        )

    def expr_float(self, d):
        if d <= 0 or self.chance(0.3):
            return self.pick("0.5", "1.0", "2.75", "1e3", "1.5e-7", "ratio", "floats[0]", "floats[1]", "1e16", "123456789.125", "0.1", "3.0e+2", "1_0.5")
        f = lambda: self.expression(d - 1, self.pick("float", "float", "int"))
        return self.pick(f"{f()} {self.pick('+', '-', '*', '/', '//', '%')} {f()}", f"-{f()}", f"{f()} | float", f"{self.expression(d - 1)} | float", f"{f()} | round({self.pick('', '1', '2', '-1', '0, ' + repr('floor'), '1, ' + repr('ceil'), 'method=' + repr('common'), '2, ' + repr('x'))})",
                         f"{f()} / {f()}", f"{f()} ** {self.pick('2', '-1', '2.0')}", f"{f()} | abs", f"{f()} | int", f"{f()} | string | float")

    def expr_bool(self, d):
        if d <= 0 or self.chance(0.15):
            return self.pick("true", "false", "yes", "no", "True", "False", "add_generation_prompt", "nothing", "messages", "tools")
        b = lambda: self.expression(d - 1, "bool")
        e = lambda: self.expression(d - 1)
        i = lambda: self.expression(d - 1, self.pick("int", "float"))
        return self.pick(
            f"{b()} and {b()}", f"{b()} or {b()}", f"not {b()}", f"{e()} {self.pick('==', '!=')} {e()}", f"{i()} {self.pick('<', '<=', '>', '>=', '==', '!=')} {i()}",
            f"{self.expression(d - 1, 'str')} {self.pick('<', '>', '==', '>=')} {self.expression(d - 1, 'str')}", f"{i()} < {i()} {self.pick('<', '==', '!=')} {i()}",
            f"{e()} {self.pick('in', 'not in')} {self.expression(d - 1, self.pick('list', 'dict', 'str'))}", f"{self.expression(d - 1, 'str')} in {self.expression(d - 1, 'str')}",
            f"{e()} is {self.pick('', '', 'not ')}{self.test(d)}", f"{e()} is {self.pick('', '', 'not ')}{self.test(d)}", f"{self.expression(d - 1, 'list')} {self.pick('==', '<')} {self.expression(d - 1, 'list')}",
            f"{self.expression(d - 1, 'str')}.{self.pick('startswith', 'endswith')}({self.pick(self.expression(min(d - 1, 1), 'str'), '(' + repr('a') + ', ' + repr('b') + ')')}{self.pick('', '', ', 1', ', 0, 2')})",
            f"{self.expression(d - 1, 'str')}.{self.pick('isdigit', 'isalpha', 'isalnum', 'isspace', 'isupper', 'islower', 'isnumeric', 'isdecimal', 'istitle', 'isascii', 'isidentifier', 'isprintable')}()",
        )

    def test(self, d):
        e = lambda: self.expression(min(d - 1, 1))
        return self.pick("defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence", "iterable", "callable", "odd", "even", "true", "false", "lower", "upper",
                         "divisibleby 3", "divisibleby(2)", f"eq {self.expression(0)}", f"equalto({e()})", f"ne({e()})", f"gt({self.expression(0, 'int')})", f"lt {self.expression(0, 'int')}", f"ge({e()})", f"lessthan({e()})", f"greaterthan(1)", f"le(2)",
                         f"in {self.expression(0, 'list')}", f"in({e()})", f"sameas none", "sameas(true)", f"sameas({self.pick('numbers', 'nothing', '1')})", "escaped", "filter", "test", "nosuchtest", "== 1", "!=(2)")

    def expr_list(self, d):
        if d <= 0 or self.chance(0.2):
            return self.pick("numbers", "words", "pairs", "[]", "[1, 2, 3]", "['a', 'b']", "messages", "(1, 2)", "()", "floats", "person.tags", "range(3)", "[none, 1, 'x', 2.5, true]", "(1,)", "'abc'", "{'a': 1, 'b': 2}", "hole",
                             "range(5, 0, -2)", "[[1, 2], [3]]", "[true, false]", *[v for v, t in self.locals if t == "list"])
        l = lambda: self.expression(d - 1, "list")
        e = lambda: self.expression(d - 1)
        s = lambda: self.expression(min(d - 1, 1), "str")
        return self.pick(
            f"[{e()}, {e()}]", f"[{e()}]", f"({e()}, {e()})", f"[{e()}, {e()}, {e()},]", f"{l()} + {l()}", f"{l()} * {self.pick('2', '0', 'n')}", f"{l()}[{self.slice(d)}]", f"{l()} | list", f"{l()} | sort", f"{l()} | sort(reverse=true)", f"{l()} | sort(case_sensitive=true)",
            f"pairs | sort(attribute={self.pick(repr('k'), repr('v'), repr('k,v'), repr('nosuch'))})", f"{l()} | unique | list", f"{l()} | reverse | list", f"{l()} | map({self.pick(repr('upper'), repr('string'), repr('length'), repr('default') + ', 1', repr('nosuch'), 'attribute=' + repr('k'), 'attribute=' + repr('k') + ', default=0', repr('int'), repr('tojson'), repr('first'), repr('replace') + ', ' + repr('a') + ', ' + repr('b'), 'attribute=0', '', repr('trim'), 'attribute=' + repr('a.b'))}) | list",
            f"{l()} | {self.pick('select', 'reject')}({self.pick('', repr('defined'), repr('odd'), repr('string'), repr('equalto') + ', 1', repr('in') + ', [1, 2]', repr('nosuch'), repr('none'), repr('number'), repr('gt') + ', 1')}) | list",
            f"pairs | {self.pick('selectattr', 'rejectattr')}({self.pick(repr('on'), repr('v') + ', ' + repr('equalto') + ', 2', repr('k') + ', ' + repr('in') + ', [' + repr('a') + ']', repr('nosuch') + ', ' + repr('defined'), repr('nosuch'), repr('k') + ', ' + repr('upper'), repr('on') + ', ' + repr('none'), '', repr('v') + ', ' + repr('nosuch'))}) | {self.pick('list', 'map(attribute=' + repr('k') + ') | list', 'first', 'list | length')}",
            f"messages | {self.pick('selectattr', 'rejectattr')}('role', {self.pick(repr('equalto'), repr('=='), repr('ne'))}, 'user') | map(attribute='content') | list", f"{s()}.split({self.pick('', s(), s() + ', 1', 'none, 1', 'maxsplit=1', 'sep=' + s())})", f"{s()}.rsplit({self.pick('', s(), s() + ', 1', 'none, 1', 'maxsplit=2')})", f"{s()}.splitlines({self.pick('', 'true', 'keepends=true')})",
            f"{self.expression(d - 1, 'dict')}.{self.pick('items', 'keys', 'values')}(){self.pick('', ' | list', '')}", f"{self.expression(d - 1, 'dict')} | {self.pick('items | list', 'dictsort', 'dictsort(reverse=true)', 'dictsort(by=' + repr('value') + ')', 'dictsort(true)', 'list', 'dictsort(false, ' + repr('x') + ')')}", f"{l()} | batch({self.pick('2', '3', '2, ' + repr('x'), '0', '1')}) | list", f"{l()} | slice({self.pick('2', '3', '2, ' + repr('x'), '1')}) | list",
            f"pairs | groupby({self.pick(repr('v'), repr('k'), repr('k') + ', case_sensitive=true', repr('nosuch') + ', default=1', repr('nosuch'))}) {self.pick('| list', '| map(attribute=' + repr('grouper') + ') | list', '| map(' + repr('first') + ') | list', '| map(' + repr('last') + ') | map(' + repr('length') + ') | list', '')}", f"range({self.expression(0, 'int')}) | list", f"range(1, {self.pick('4', '0')}, {self.pick('1', '2', '-1')})", f"{s()} | list", f"{s()}.partition({s()})", f"{l()}.copy()", f"dict({self.pick('a=1', '[(1, 2)]', 'person', 'person, b=2', '')}) | list",
        )

    def expr_dict(self, d):
        if d <= 0 or self.chance(0.35):
            return self.pick("person", "hole", "nested", "{'a': 1}", "messages[0]", "{}", "{'b': 1, 'A': 2, 'c': none}", "{1: 'x', none: 2, true: 3}", "pairs[0]", "{'a': {'b': [1]}}", "{(1, 2): 3}", "dict(a=1)", "{'x': 1, 'x': 2}", "{1: 'a', 1.0: 'b'}")
        e = lambda: self.expression(d - 1)
        return self.pick(f"{{'a': {e()}, {self.expression(d - 1, 'str')}: {e()}}}", f"{{{e()}: {e()}}}", f"dict(a={e()}, b={e()})", f"dict({self.expression(d - 1, 'dict')}, z={e()})", f"{self.expression(d - 1, 'dict')}.copy()", f"dict([('k', {e()})])", f"dict({self.expression(d-1, 'list')})")

    def expr_any(self, d):
        if d <= 0:
            return self.pick("none", "nothing", "None", "messages", "n", "person.missing", "person['name']", "messages[-1].content", "range", "namespace()", "namespace(a=1)", "tools", "documents", "dict", "messages[1:]", "person.items", "numbers.append", "person.update", "'a'.__class__", "cycler('a', 'b')", "joiner(', ')", "joiner", "pairs.0.k", "nested.a.1", *[v for v, _ in self.locals])
        return self.pick(
            f"{self.expression(d - 1, 'dict')}.{self.pick('name', 'a', 'nosuch', 'role', 'get', 'update', 'items')}", f"{self.expression(d - 1, 'dict')}[{self.expression(d - 1)}]", f"{self.expression(d - 1, 'dict')}.get({self.expression(d - 1)}{self.pick('', ', ' + self.expression(d - 1))})", f"{self.expression(d - 1, 'list')}[{self.expression(d - 1, 'int')}]",
            f"{self.expression(d - 1, 'list')} | {self.pick('first', 'last', 'random' if False else 'first', 'min', 'max', 'sum')}", f"{self.expression(d - 1)} {self.pick('or', 'and')} {self.expression(d - 1)}", f"{self.expression(d - 1)} {self.pick('+', '-', '*', '/', '%', '//', '~', '<', '<=', 'in')} {self.expression(d - 1)}", f"-{self.expression(d - 1)}",
            f"{self.expression(d - 1)} | {self.filter_str(d)}", f"{self.expression(d - 1)}{self.method_str(d)}", f"{self.expression(d - 1)} | default({self.expression(d - 1)}{self.pick('', ', true')})", f"{self.expression(d - 1)}({self.pick('', '1')})", f"{self.expression(d - 1)} | attr({self.pick(repr('name'), repr('upper'), repr('nosuch'), repr('items'))})", f"{self.expression(d - 1)} | abs", f"{self.expression(d - 1, 'list')} | items | list",
            f"{self.expression(d - 1, 'str')} | upper", f"messages[{self.pick('0', '1', '-1')}].{self.pick('role', 'content', 'reasoning_content', 'thinking', 'tool_calls')}",
        )

    def expr_undefined(self, d):
        if d <= 0 or self.chance(0.6):
            return self.pick("missing", "person.missing", "missing", "numbers[99]", "person['q']", "loop" if self.chance(0.2) else "missing")
        return self.pick(f"missing {self.pick('+', '*', '==', '~', 'or', '<', 'in')} {self.expression(d - 1)}", f"{self.expression(d - 1)} {self.pick('+', '==', '~', '-', '%', 'in')} missing", "missing.x", "missing['x']", "missing()", "-missing", "missing[1:]", f"missing | {self.filter_str(d)}", f"missing is {self.test(d)}", "not missing", f"missing if {self.expression(d-1, 'bool')}", "('a' if false)", "('a' if false).b", "missing.x.y")

    def macro_call(self, d):
        name, arity = self.random.choice(self.macros)
        arguments = [self.expression(min(d - 1, 1)) for _ in range(max(0, arity + self.pick(0, 0, 0, -1, 1, -2)))]
        arguments += self.pick([], [], ["b=1"], ["z=1"], ["a='k'"], ["*[1]"], ["**{'b': 2}"])
        return f"{name}({', '.join(arguments)})"

    # Statements.
    def name(self):
        return self.pick("x", "y", "z", "item", "ns", "found", "text", "messages")

    def mark(self, kind="%"):
        """A tag's opening and closing, with their whitespace signs."""
        opening = self.pick("", "", "", "-", "-", "+")
        closing = self.pick("", "", "", "-", "-", "+") if kind == "%" else self.pick("", "", "-", "")
        if kind == "{":
            opening = self.pick("", "", "-", "+")
            return "{{" + opening + " ", " " + closing + "}}"
        return "{%" + opening + " ", " " + closing + "%}"

    def tag(self, text):
        opening, closing = self.mark()
        return opening + text + closing

    def text(self):
        return self.pick("", "", "", " ", "\n", "\n\n", "  \n  ", "a", "word ", "\n  b", "}", "{", "é🙂", "<|x|>", "\t", "\r\n", "  ", "# x", "line\n    ", "\u00a0", "%}", "}}")

    def output(self, depth):
        opening, closing = self.mark("{")
        return opening + self.expression(self.pick(1, 2, 2, 3)) + self.pick("", "", "", "", ", 1") + closing

    def block(self, depth):
        saved, saved_macros = list(self.locals), list(self.macros)
        parts = [self.text()]
        for _ in range(self.pick(1, 1, 2, 3)):
            parts += [self.statement(depth), self.text()]
        self.locals, self.macros = saved, saved_macros
        return "".join(parts)

    def statement(self, depth):
        choice = self.random.randrange(26)
        if depth <= 0 or choice < 9:
            return self.output(depth)
        if choice < 12:
            text = self.tag("if " + self.expression(2, "bool")) + self.block(depth - 1)
            while self.chance(0.25):
                text += self.tag("elif " + self.expression(2, "bool")) + self.block(depth - 1)
            if self.chance(0.4):
                text += self.tag("else") + self.block(depth - 1)
            return text + self.tag("endif")
        if choice < 16:
            return self.loop(depth)
        if choice < 19:
            type = self.pick("str", "int", "list", "dict", "any")
            name = self.name()
            form = self.random.randrange(8)
            if form == 0:
                text = self.tag(f"set {self.pick('x', 'y', 'z')}{self.pick('', ' | upper', ' | trim | length', ' | replace(' + repr('a') + ', ' + repr('b') + ')', ' | nosuch' if self.chance(0.1) else '')}") + self.block(depth - 1) + self.tag("endset")
                type = "str"
            elif form == 1:
                text = self.tag(f"set {name}, q = {self.pick('1, 2', '(1, 2)', self.expression(2, 'list'))}")
                type = "any"
            elif form == 2:
                text = self.tag("set ns = namespace(a=" + self.expression(1) + ", n=0)") + self.text() + self.tag("set ns.a = " + self.expression(2)) + "{{ ns.a }}{{ ns.n }}{{ ns.q }}"
                name = "ns"
            elif form == 3:
                text = self.tag(f"set {self.pick('ns', 'person', name)}.{self.pick('a', 'n', '_x')} = " + self.expression(1))
            else:
                text = self.tag(f"set {name} = " + self.expression(2, type))
            self.locals.append((name, type))
            return text
        if choice == 19:
            return self.macro(depth)
        if choice == 20 and self.macros:
            name, arity = self.random.choice(self.macros)
            arguments = ", ".join(self.expression(1) for _ in range(arity))
            return self.tag(f"call{self.pick('', '', '(v)', '(v, w=1)')} {name}({arguments})") + self.block(depth - 1) + self.pick("", "{{ v }}{{ w }}") + self.tag("endcall")
        if choice == 21:
            return self.tag(f"filter {self.pick('upper', 'trim', 'indent(2)', 'replace(' + repr('a') + ', ' + repr('o') + ') | title', 'length', 'tojson')}") + self.block(depth - 1) + self.tag("endfilter")
        if choice == 22:
            return self.tag(f"with {self.pick('x = 1', 'x = 1, y = ' + self.expression(1), 'x, y = 1, 2', 'x = y, y = 3', '')}") + self.block(depth - 1) + "{{ x }}{{ y }}" + self.tag("endwith")
        if choice == 23:
            return self.pick(self.tag("raw") + self.pick("{{ x }}", " {% if %} ", "{# #}", "\n a \n", "") + self.tag("endraw"), "{#" + self.pick("", "-") + " note " + self.pick("", "-", "+") + "#}", self.tag("generation") + self.block(depth - 1) + self.tag("endgeneration"),
                             self.tag("generation") + self.block(depth - 1) + self.tag("endgeneration"), self.tag("print " + self.expression(2) + ", 1"))
        if choice == 24:
            return self.pick(self.tag("if " + self.expression(1, "bool")) + "{{ raise_exception('no ' ~ n) }}" + self.tag("endif"), self.tag("do x"),
                             self.tag("else"), self.tag("break"), self.tag("macro m(a, a)") + self.tag("endmacro"), self.tag("set 1 = 2"), self.tag("for x in numbers") + "x") if self.chance(0.35) else self.output(depth)
        if choice == 25:
            return "{{ " + self.expression(2, "str") + self.pick(" | e", " | escape", " | safe", " | tojson | safe", " | forceescape") + " }}"
        return self.output(depth)

    def loop(self, depth):
        target = self.pick("x", "item", "message", "k, v", "(a, b)", "x")
        over = self.pick("numbers", "messages", "words", "person.items()", "pairs", "range(4)", "range(n)", "[]", "missing", self.expression(2, "list"), "nested | dictsort", "messages[1:]", "[(1, 2), (3, 4)]", "'abc'", "[('k', 1), ('j', [2])]")
        if "," in target and self.chance(0.8):
            over = self.pick("person.items()", "[(1, 2), (3, 4)]", "nested.items()", "person | items", "pairs | groupby('v')", "{'a': 1} | dictsort")
        condition = f" if {self.pick('loop.index > 1' if self.chance(0.1) else 'true', self.expression(1, 'bool'), 'x', 'x is defined')}" if self.chance(0.2) else ""
        recursive = " recursive" if self.chance(0.08) else ""
        saved = list(self.locals)
        self.locals.append((self.pick("x", "item", "message.content", "message.role", "message", "k", "v", "a"), self.pick("str", "any", "int")))
        self.loops += 1
        inside = self.pick(
            "", "{{ loop.index }}", "{{ loop.index0 }}{{ loop.first }}{{ loop.last }}", "{{ loop.revindex }}/{{ loop.length }}", "{{ loop.cycle('o', 'e') }}", "{{ loop.changed(x) }}", "{{ loop.previtem }}", "{{ loop.nextitem is defined }}", "{{ loop.depth }}{{ loop.depth0 }}{{ loop.revindex0 }}",
            "{% if loop.index == 2 %}{% break %}{% endif %}", "{% if loop.first %}{% continue %}{% endif %}", "{{ loop.nosuch }}", "{% set text = text ~ 'x' %}{{ text }}", "{{ loop }}", "{{ messages[loop.index0 - 1].role }}", "{{ x }}", "{{ item }}", "{{ message.content }}", "{{ k }}={{ v }};",
            "{% if not loop.last %}, {% endif %}", "{{ loop|length }}", "{% set found = true %}", "{% if x == 2 %}{% set y = x %}{% endif %}{{ y }}", "{{ loop.previtem.role if loop.previtem is defined else '-' }}", "{{ loop([]) }}" if recursive else "")
        text = self.tag(f"for {target} in {over}{condition}{recursive}") + inside + self.block(depth - 1) + inside
        if recursive and self.chance(0.5):
            text += "{{ loop(" + self.pick("x.children", "[]", "numbers if loop.depth < 3 else []") + ") }}"
        self.loops -= 1
        self.locals = saved
        if self.chance(0.2):
            text += self.tag("else") + self.block(depth - 1)
        return text + self.tag("endfor")

    def macro(self, depth):
        name = self.pick("m", "f", "render")
        parameters = self.pick([], ["a"], ["a", "b=1"], ["a", "b=a"], ["a='d'", "b=none"], ["x", "y"])
        saved, saved_macros = list(self.locals), list(self.macros)
        self.locals += [(p.split("=")[0], "any") for p in parameters]
        self.macros = []
        body = self.block(depth - 1) + self.pick("", "{{ a }}", "{{ b }}", "{{ varargs }}", "{{ kwargs }}", "{{ caller() }}", "{{ caller('v') if caller else '-' }}", "{{ caller is defined }}", "{{ outer }}{{ n }}", "{% set n = 9 %}{{ n }}", "{{ name }}")
        self.locals, self.macros = saved, saved_macros
        self.macros = [m for m in self.macros if m[0] != name] + [(name, len(parameters))]
        text = self.tag(f"macro {name}({', '.join(parameters)})") + body + self.tag("endmacro")
        opening, closing = self.mark("{")
        return text + self.text() + opening + self.macro_call(2) + closing

    def template(self):
        self.locals, self.macros, self.loops = [], [], 0
        source = self.block(self.pick(1, 2, 2, 3))
        if self.chance(0.05):
            place = self.random.randrange(len(source) + 1)
            source = self.pick(source[:place], source[:place] + source[place + 1:], source[:place] + self.pick("{", "}", "%", "'", "(", "|", " is ", " if ", ",", "=", ".", "{#", "$", "!", "[", ":", "-", "not ") + source[place:])
        return source


def cases(seed, count):
    generator = Generator(seed)
    made = 0
    while made < count:
        source = generator.template()
        context = generator.random.randrange(len(CONTEXTS))
        result, note = outcome(source, CONTEXTS[context])
        if result is None:
            continue
        try:
            (source + result).encode()
        except UnicodeEncodeError:
            continue
        made += 1
        yield {"template": source, "context": context, "outcome": result, **({"note": note[:300]} if note else {})}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--golden", action="store_true", help="write the small golden file")
    parser.add_argument("file", nargs="?")
    arguments = parser.parse_args()
    if arguments.golden:
        path, chosen, total = GOLDEN, [], 0
        for case in cases(arguments.seed, 600):
            case.pop("note", None)
            size = len(json.dumps(case))
            if size < 400 and total + size < 40_000:
                chosen.append(case)
                total += size
    else:
        path, chosen = pathlib.Path(arguments.file), cases(arguments.seed, arguments.count)
    with path.open("w", encoding="utf-8") as file:
        for document in [*CONTEXTS]:
            print(json.dumps(document, ensure_ascii=False), file=file)
        for document in chosen:
            print(json.dumps(document, ensure_ascii=False), file=file)


main()
