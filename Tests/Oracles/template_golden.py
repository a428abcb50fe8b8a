"""Makes Tests/ChatTemplatesTests/Golden/*.json: what transformers' own environment renders.

Run from the project's root, with transformers and jinja2 installed:

    python Tests/Oracles/template_golden.py

`features.json` holds small templates with the text they render to, or with an error's kind ("parse", "run") and
the message when the template itself raises it.
`makers.json` holds templates in the formats of well-known makers, written for this project, over conversations.
"""

import json
import pathlib

import jinja2
from transformers.utils.chat_template_utils import _compile_jinja_template

FOLDER = pathlib.Path(__file__).parent.parent / "ChatTemplatesTests" / "Golden"

VARIABLES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "numbers": [3, 1, 2],
    "words": ["pear", "Apple", "fig", "apple"],
    "text": "  Grüße, wörld 🙂\n second line ",
    "person": {"name": "Ada", "age": 36, "tags": ["x", "y"], "items": "shadowed", "none": None},
    "pairs": [{"k": "b", "v": 2, "on": True}, {"k": "a", "v": 1, "on": False}, {"k": "B", "v": 2}],
    "ratio": 0.1,
    "big": 12345678901234567.0,
    "html": "<a href=\"x\">&'</a>",
    "nested": {"a": [1, 2.5, None, True, "é\"'"], "b": {}, "c": []},
}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello!"},
]

FEATURES = r"""
plain text
{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1e3 }} {{ 0.1 + 0.2 }} {{ 1_000 }} {{ 0x1F }} {{ 0b11 }} {{ 0o17 }} {{ 1e16 }} {{ 1e-5 }} {{ 9.9e15 }} {{ 123456789012345.0 }} {{ 1234567890123456.5 }}
{{ big }} {{ ratio }} {{ 5e-324 }} {{ 1e22 }} {{ 100000.0 }} {{ 0.0001 }}
{{ 'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1, 'b'] }}
{{ "tab\tnew\nquote\"back\\ \x41 \u00e9 \101 \q" }}{{ 'it''s' }}
{{ [1, 'two', 3.0, none, true, (1,), (1, 2), {'a': 'b"c'}, "it's"] }}
{{ 'é\u200b\x07' ~ ['é\u200b\x07\u2028'] }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ 'a' != 'b' }} {{ 2 >= 2 }} {{ 'a' < 'B' }} {{ [1, 2] < [1, 3] }} {{ true == 1 }}
{{ 1 in numbers }} {{ 9 not in numbers }} {{ 'pe' in 'pear' }} {{ 'name' in person }} {{ '' in 'a' }}
{{ none or 'x' }} {{ 0 and 1 }} {{ not [] }} {{ 'a' and 'b' }} {{ not 1 == 2 }}
{{ 'yes' if numbers else 'no' }} {{ 'no' if not numbers }}|{{ 1 if false else 2 if false else 3 }}
{{ person.name }} {{ person['name'] }} {{ person.missing }}|{{ person.items is callable }} {{ person['items'] }} {{ person.get('q', 'd') }} {{ person.get('q') }}
{{ numbers[0] }} {{ numbers[-1] }} {{ numbers[9] }}|{{ 'abc'[1] }} {{ '🙂é'[0] }} {{ numbers.0 }} {{ (1, 2)[1] }}
{{ numbers[1:] }} {{ numbers[:-1] }} {{ numbers[::-1] }} {{ 'abcdef'[1:5:2] }} {{ 'abc'[::-1] }} {{ numbers[5:] }} {{ 'abc'[-2:] }} {{ numbers[-100:2] }} {{ (1,2,3)[2::-2] }}
{{ missing }}|{{ missing is defined }} {{ missing | default('d') }} {{ '' | default('d', true) }} {{ missing | length }} {{ none | default('d') }}
{{ missing.attribute }}
{{ missing['x'] }}
{{ missing() }}
{{ missing + 1 }}
{{ person.missing.deeper }}
{{ 1 + 'a' }}
{{ 1 // 0 }}
{% if true %}{{ nofilter | nosuchfilter }}{% endif %}
{% if true %}{{ 1 is nosuchtest }}{% endif %}
{% if false %}{{ 1 | nosuchfilter }}{% endif %}unused
{{ 1 is integer }} {{ true is integer }} {{ 1.0 is float }} {{ true is number }} {{ 's' is string }} {{ person is mapping }} {{ numbers is sequence }} {{ 's' is iterable }} {{ 1 is iterable }} {{ none is none }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ range is callable }} {{ true is boolean }}
{{ 3 is odd }} {{ 3 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 1 is not none }} {{ 2 is eq 2 }} {{ 2 is equalto(3) }} {{ 2 is gt 1 }} {{ 1 is in [1] }} {{ 'A' is upper }} {{ 'a' is lower }} {{ missing is undefined }} {{ none is sameas none }}
{{ 'a' is string and 1 is number or false }} {{ not missing is defined }}
{{ text | trim }}|{{ text.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xyaxy'.lstrip('xy') }}|{{ 'a!?'.rstrip('?!') }}|{{ 'xax' | trim('x') }}|
{{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a  b '.split() }} {{ ''.split() }} {{ ''.split(',') }} {{ ' a b c'.split(none, 1) }} {{ 'a b c '.rsplit(maxsplit=1) }} {{ 'aaa'.rsplit('aa', 1) }}
{{ 'a</think>b</think>c'.split('</think>')[-1].lstrip('\n') }} {{ 'a\nb\r\nc\x0bd'.splitlines() }} {{ 'a\nb\n'.splitlines(true) }}
{{ 'pear'.startswith('pe') }} {{ 'pear'.endswith(('r', 'x')) }} {{ 'pear'.startswith('ear') }}
{{ 'aXbX'.replace('X', '-') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'ab'.replace('', '.') }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 123 | replace(2, 'x') }}
{{ 'hello wOrld'.title() }} {{ 'hELLO'.capitalize() }} {{ "they're bill's" | title }} {{ 'a-b (c' | title }} {{ 'ß'.upper() }} {{ 'ABC'.lower() }} {{ 'éa' | capitalize }} {{ 'aB'.swapcase() }}
{{ '-'.join(['a', 'b']) }} {{ [1, 2] | join(', ') }} {{ pairs | join('/', attribute='k') }} {{ 'abc' | join('.') }} {{ missing | join }}
{{ 'banana'.find('an') }} {{ 'banana'.rfind('an') }} {{ 'banana'.find('x') }} {{ 'é🙂x'.find('x') }} {{ 'banana'.count('an') }} {{ 'banana'.index('n') }} {{ 'aaaa'.count('aa') }} {{ 'banana'.find('an', 2) }} {{ 'abc'.count('') }}
{{ 'x'.index('y') }}
{{ '42'.isdigit() }} {{ 'ab1'.isalpha() }} {{ 'ab1'.isalnum() }} {{ ' '.isspace() }} {{ ''.isdigit() }} {{ 'Ab'.isupper() }} {{ 'pre-x'.removeprefix('pre-') }} {{ 'x.py'.removesuffix('.py') }} {{ '7'.zfill(3) }} {{ '-7'.zfill(4) }}
{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '*') }}|{{ 'ab'.center(5, '*') }}|{{ 'abc'.center(6, '*') }}|{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }}
{{ '%s-%d-%.2f-%5s|%-5s|%03d' % ('a', 3, 2.5, 'b', 'c', 7) }} {{ '%s' | format('x') }} {{ '{} {1}'.replace('{1}', '{}').format(1, 'b') }} {{ '{a:>4}|{0:05.1f}'.format(2.25, a='x') }} {{ '%%%s' % 'x' }}
{{ person.keys() | list }} {{ person.values() | list | length }} {% for k, v in person.items() %}{{ k }}={{ v }};{% endfor %}
{{ numbers | sort }} {{ numbers | sort(reverse=true) }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ pairs | sort(attribute='v') | map(attribute='k') | list }}
{{ words | unique | list }} {{ numbers | reverse | list }} {{ 'abc' | reverse }} {{ numbers | min }} {{ numbers | max }} {{ numbers | sum }} {{ pairs | sum(attribute='v') }} {{ words | max }}
{{ numbers | first }} {{ numbers | last }} {{ [] | first }}| {{ 'abc' | first }} {{ 'abc' | list }} {{ numbers | length }} {{ person | count }} {{ '🙂é' | length }}
{{ words | map('upper') | list }} {{ words | map('replace', 'a', 'o') | join(' ') }} {{ pairs | map(attribute='on', default='?') | list }} {{ [[1, 2], [3]] | map('first') | list }} {{ [[1, 2], [3]] | map(attribute=0) | list }}
{{ numbers | select('odd') | list }} {{ numbers | reject('equalto', 2) | list }} {{ [0, 1, ''] | select | list }} {{ pairs | selectattr('on') | map(attribute='k') | list }} {{ pairs | selectattr('v', '==', 2) | list | length }} {{ pairs | rejectattr('on', 'defined') | map(attribute='k') | join }} {{ numbers | select('in', [1, 2]) | list }}
{% set found = pairs | selectattr('v', 'equalto', 99) %}{{ 'truthy' if found else 'falsy' }} {{ found | list }}
{% set it = numbers | select %}{{ it | first }} {{ it | list }} {{ it | list }}
{{ nested | tojson }}
{{ nested | tojson(indent=2) }}
{{ html | tojson }} {{ 'é🙂\x01\x7f' | tojson }} {{ 'é🙂' | tojson(ensure_ascii=true) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ [1, 2] | tojson(separators=(',', ':')) }} {{ {1: 'a', none: 2, true: 3} | tojson }} {{ 1e16 | tojson }}
{{ missing | tojson }}
{{ html | escape }} {{ html | e }} {{ html | safe }}
{{ '42' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ '3.9' | int }} {{ 3.9 | int }} {{ '0x1f' | int(0, 16) }} {{ '1.5' | float }} {{ 'q' | float }} {{ -3 | abs }} {{ 'ff' | int(base=16) }}
{{ 2.5 | round }} {{ 3.14159 | round(2) }} {{ 2.1 | round(method='ceil') }} {{ 2.9 | round(0, 'floor') }} {{ 5 | round }} {{ 0.125 | round(2) }} {{ -0.4 | round }}
{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(1, blank=true) }}|{{ 'a\nb' | indent('> ') }}
{{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'A': 2} | dictsort(by='value', reverse=true) }} {{ {'a': 1} | items | list }} {{ [1, 2, 3] | batch(2, 'x') | list }} {{ 'a b-c' | wordcount }} {{ 5 | string ~ '!' }}
{% for group, rows in pairs | groupby('v') %}{{ group }}:{{ rows | map(attribute='k') | join }} {% endfor %}
{% for x in numbers %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('o', 'e') }};{% endfor %}
{% for x in numbers if x > 1 %}{{ x }}{{ loop.index }}/{{ loop.length }} {% else %}none{% endfor %}{% for x in [] %}x{% else %}empty{% endfor %}{% for x in missing %}x{% else %}undefined{% endfor %}
{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %} {{ range(3) | list }} {{ range(5, 0, -2) | list }}
{% for a in [1, 2] %}{% for b in 'xy' %}{{ a }}{{ b }}{{ loop.depth }} {% endfor %}{{ loop.index }}{% endfor %}{% for c in 'ab' %}{{ loop.changed(c) }}{% endfor %}
{% for item in [{'n': 1, 'c': [{'n': 2, 'c': []}]}, {'n': 3, 'c': []}] recursive %}[{{ item.n }}{{ loop.depth }}{{ loop(item.c) }}]{% endfor %}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}
{% set ns = namespace(n=0, found=false) %}{% for i in numbers %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }} {{ ns.found }} {{ ns.other }}|{% set ns.other = 'now' %}{{ ns.other }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d) = [3, 4] %}{{ c }}{{ d }}{% set t = 1, %}{{ t }}{% for (p, q), r in [((1, 2), 3)] %}{{ p }}{{ q }}{{ r }}{% endfor %}
{% set a, b = [1] %}
{% set block %}  hi {{ 1 }}  {% endset %}[{{ block }}]{% set loud | upper | trim %} shh {% endset %}[{{ loud }}]
{% macro greet(name, mark='!', n=1) %}Hi {{ name }}{{ mark * n }}{% endmacro %}{{ greet('Ada') }} {{ greet('Bob', n=3) }} {{ greet('C', '?', 2) }} {{ greet() }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1) }} {{ m(1, 2, 3, k=4) }}
{% macro fact(n) %}{{ 1 if n < 2 else n * (fact(n - 1) | int) }}{% endmacro %}{{ fact(5) }}
{% macro wrap() %}<{{ caller('x') }}>{% endmacro %}{% call(v) wrap() %}in {{ v }}{% endcall %}
{% set outer = 'o' %}{% macro see() %}{{ outer }}{{ inner }}{% endmacro %}{% for inner in [1] %}{{ see() }}{% endfor %}{% set outer = 'p' %}{{ see() }}
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}|{% filter upper %}abc {{ 'd' }}{% endfilter %}
{% raw %}{{ not rendered }} {% if %}{% endraw %}|{# a comment {{ x }} #}|{% generation %}gen {{ 1 }}{% endgeneration %}
a  {%- if true -%}  b  {%- endif -%}  c {{- ' d ' -}} e
{% if true %}\n  x\n{% endif %}\ny\n  {% if true %}  z{% endif %}\n\n  {%+ if true %}w{% endif +%}\nv\n   {# note #}\n  u {# tail #}\nend\n
  {% for x in [1, 2] %}\n    {{ x }}\n  {% endfor %}\nlast\n\n
{%- raw -%}  a  {%- endraw -%}  b {% raw %}\nq\n  {% endraw %}\nr
line\r\nnext{{ 1 }}\r\n{% if 1 %}\r\nz{% endif %}
\t{{ 1 }}\u00a0{%- if 1 %}\u2003x{% endif %}
{{ messages[0].role }}{{ messages[1:] | length }}{{ messages[-1]['content'] }}{% set messages = messages[1:] %}{{ messages[0].role }}
{{ raise_exception('broken: ' ~ bos_token) }}
{% if false %}{{ raise_exception('no') }}{% endif %}fine
{{ dict(a=1, b=2) }} {{ {'a': 1, 'a': 2} }} {{ {1: 'x', 1.0: 'y'} }} {{ dict([('a', 1)]) }} {{ {'a': 1}.items() | list }}
{{ numbers.append(4) }}
{{ person.update({'a': 1}) }}
{% set person.name = 'x' %}
{{ range(200000) | list | length }}
{{ [1, 2] + [3] }} {{ (1,) + (2,) }} {{ 'ab' * 2 }} {{ [0] * 3 }} {{ 'a' + 'b' }} {{ true + 1 }} {{ -true }} {{ +2 }} {{ 3 * '-' }}
{{ [1, 2].index(2) }} {{ [1, 1].count(1) }} {{ 'a' in ['a', 'b'] }} {{ person is defined and person.tags is iterable and person.tags is not string }}
{{ (1, 2) | tojson }} {{ none }} {{ true }} {{ [true, none] }} {{ () }} {{ {} }} {{ (1) }}
{{ -1 | abs }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 1 - 1 - 1 }} {{ 2 * 3 % 4 }} {{ (1 + 2) ~ 'a' }} {{ 1 ~ 2 == '12' }}
{{ 'x' if 1 is odd and 2 is even else 'y' }} {{ [x for x in y] }}
{{ numbers | map('nosuch') | list }}
{{ pairs[0]["k"] ~ pairs[0].k ~ pairs.0.k }} {{ person.tags[0] }} {{ person['tags'][-1] | upper }}
{% if %}x{% endif %}
{% for x in %}{% endfor %}
{% if true %}never closed
{{ unclosed
{{ 'unclosed }}
{# unclosed
{% nosuchtag %}
{{ 1 + }}
{{ (1 }}
{{ a b }}
{% endif %}
{% break %}
{% set true = 1 %}
{{ $ }}
{% macro m(a=1, b) %}{% endmacro %}
{% for x in 5 %}{% endfor %}
{{ person | length }} {{ 5 | length }}
{{ 'a' < 1 }}
{{ 'a' in 5 }}
{{ numbers['a'] }}|{{ 'abc'.nosuch }}
""".strip("\n").split("\n")


def unescape(line):
    """In lines about whitespace control, \\n outside of tags stands for a line break."""
    if line.startswith(("{% if true %}\\n", "  {% for x in [1, 2] %}\\n", "{%- raw -%}", "line\\r", "\\t{{")):
        return line.encode().decode("unicode-escape").encode("latin-1", "ignore").decode("latin-1")
    return line


def outcome(source, variables):
    try:
        template = _compile_jinja_template(source)
    except (jinja2.TemplateError, SyntaxError):
        return {"error": "parse"}
    try:
        return {"text": template.render(**variables)}
    except Exception as error:
        raised = {"message": str(error)} if type(error) is jinja2.TemplateError else {}
        return {"error": "run", **raised}


CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
MAKERS = {
    "chatml": CHATML,
    "chatml-default-system": (
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
        "{{ '<|im_start|>system\\nYou answer questions.<|im_end|>\\n' }}{% endif %}"
        "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    ),
    "llama-3": """{% set loop_messages = messages %}{% for message in loop_messages %}
{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' %}
{% if loop.index0 == 0 %}
{% set content = bos_token + content %}
{% endif %}
{{- content -}}
{% endfor %}
{% if add_generation_prompt %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{% endif %}
""",
    "llama-3.1": """{{- bos_token }}
{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Today: " + date_string + "\\n\\n" + system_message + "<|eot_id|>" }}
{%- if tools is not none and messages | length > 0 %}
    {{- "Functions:\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}
            {{- raise_exception("one call at a time") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '{"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson }}{{- "}<|eot_id|>" }}
    {%- else %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "mistral": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Turns of user and assistant must alternate') }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.first and system_message is defined %}
            {{- " [INST] " + system_message + "\\n\\n" + message["content"] + " [/INST]" }}
        {%- else %}
            {{- " [INST] " + message["content"] + " [/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token }}
    {%- else %}
        {{- raise_exception("Only user and assistant may speak") }}
    {%- endif %}
{%- endfor %}
""",
    "gemma": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system turns here') }}{% endif %}"
        "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Turns must alternate user/assistant/user/assistant') }}{% endif %}"
        "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
        "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}"
    ),
    "phi-3": (
        "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}"
        "{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'user' %}"
        "{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'assistant' %}"
        "{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
    ),
    "zephyr": """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}""",
    "qwen-2.5": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are an assistant.' }}
    {%- endif %}
    {{- "\\n\\n# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are an assistant.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "qwen-3-thinking": """{%- set ns = namespace(multi_step=true, last=messages | length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages | length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or reasoning) %}
            {{- '<|im_start|>assistant\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content }}
        {%- else %}
            {{- '<|im_start|>assistant\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}
""",
    "olmo": (
        "{{ eos_token }}{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
        "{{ '<|user|>\n' + message['content'] }}\n{% elif message['role'] == 'assistant' %}\n"
        "{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
    ),
    "generation-macro": """{%- macro turn(message, mark='#') -%}
{{ mark }} {{ message.role | capitalize }}: {{ message.content }}
{%- endmacro -%}
{% for message in messages %}
{% if message.role == 'assistant' %}
{% generation %}{{ turn(message, mark='>') }}{% endgeneration %}

{% else %}
{{ turn(message) }}
{% endif %}
{% endfor %}
""",
}
USER = {"role": "user", "content": "What is 2 + 2?"}
CONVERSATIONS = [
    [USER],
    [USER, {"role": "assistant", "content": "Four."}],
    [{"role": "system", "content": "Be brief. "}, USER, {"role": "assistant", "content": " 4\n"}],
    [
        USER,
        {"role": "assistant", "content": "<think>\nadd\n</think>\n\nFour."},
        {"role": "user", "content": "Grüße aus München 🙂 <b>'\"</b>\n\n日本語"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": ""},
    ],
    [USER, USER],
    [{"role": "user", "content": " cafe\u0301 \u00a0\r\n\ttab "}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes {{ no }}"}],
]
TOOLS = [{"type": "function", "function": {"name": "add", "description": "Adds <two> numbers", "parameters": {"z": 1, "a": [1.0, None]}}}]
TOOL_CONVERSATION = [
    {"role": "system", "content": "Use tools."},
    USER,
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"x": 2, "y": "zwei ü"}}}]},
    {"role": "tool", "content": "4"},
    {"role": "assistant", "content": "Four."},
]


def write(name, document):
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main():
    cases = []
    for line in FEATURES:
        source = unescape(line)
        variables = {**VARIABLES, "messages": MESSAGES, "add_generation_prompt": True}
        cases.append({"template": source, **outcome(source, variables)})
    write("features.json", {"variables": VARIABLES, "messages": MESSAGES, "cases": cases})

    cases = []
    for maker, source in MAKERS.items():
        for conversation in [*range(len(CONVERSATIONS)), "tools"]:
            for prompt in (False, True):
                has_tools = conversation == "tools"
                if has_tools and maker not in ("qwen-2.5", "llama-3.1"):
                    continue
                variables = {"bos_token": "<s>", "eos_token": "</s>"}
                if has_tools:
                    variables["tools"] = TOOLS
                messages = TOOL_CONVERSATION if has_tools else CONVERSATIONS[conversation]
                result = outcome(source, {**variables, "messages": messages, "add_generation_prompt": prompt})
                cases.append({"maker": maker, "conversation": conversation, "add_generation_prompt": prompt, **result})
    write(
        "makers.json",
        {"templates": MAKERS, "conversations": CONVERSATIONS, "tool_conversation": TOOL_CONVERSATION, "tools": TOOLS, "cases": cases},
    )


main()
