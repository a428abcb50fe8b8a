"""Makes Tests/ChatTemplatesTests/Golden/formats.json: Golden/templates over conversations, as transformers renders them.

Run from the project's root, with transformers and jinja2 installed:

    python Tests/Oracles/template_formats.py

The templates are ours; each writes the format of a model of the hub with the features of Jinja that such templates use.
A text is kept as its 64-bit FNV-1a hash, followed by the spans that `generation` blocks wrote; an error as its kind, or as
the message that the template raised.
"""

import json
import pathlib

import jinja2
from transformers.utils.chat_template_utils import render_jinja_template

GOLDEN = pathlib.Path(__file__).parent.parent / "ChatTemplatesTests" / "Golden"

USER = {"role": "user", "content": "What is 2 + 2?"}
SYSTEM = {"role": "system", "content": "Be brief. "}
ANSWER = {"role": "assistant", "content": " Four.\n"}
THINKING = {"role": "assistant", "content": "<think>\nadd them\n</think>\n\nFour."}
TOOLS = [
    {"type": "function", "function": {
        "name": "add", "description": "Adds <two> \"numbers\"",
        "parameters": {"type": "object", "properties": {
            "x": {"type": "integer", "description": "the first"}, "y": {"type": ["number", "null"], "description": "the second"},
            "z": {"type": "array", "items": {"type": "string"}}, "unit": {"type": "string", "enum": ["a", "é"]}}, "required": ["x"]}}},
    {"type": "function", "function": {"name": "now", "description": "The time", "parameters": {"type": "object", "properties": {}}}},
]


def call(arguments, name="add", identifier="abcdef123"):
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(content, identifier="abcdef123"):
    return {"role": "tool", "tool_call_id": identifier, "name": "add", "content": content}


CALLING = {"role": "assistant", "content": "", "tool_calls": [call({"x": 2, "y": 2.5, "z": ["ü", None]})]}
CONVERSATIONS = [
    {"messages": [USER]},
    {"messages": [USER, ANSWER]},
    {"messages": [SYSTEM, USER, ANSWER]},
    {"messages": [SYSTEM, USER, ANSWER, {"role": "user", "content": " And\t3 + 3? \n"}, {"role": "assistant", "content": "Six"}, USER]},
    {"messages": [USER, THINKING, {"role": "user", "content": "Grüße 🙂 <b>'\"</b> {{ x }}\n\n日本語 e\u0301 \u00a0"}, THINKING]},
    {"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]},
    {"messages": [{"role": "system", "content": ""}, USER]},
    {"messages": [USER, USER]},
    {"messages": [USER, {"role": "assistant", "content": "Four.", "reasoning_content": "\nadd\n"}]},
    {"messages": [USER, {"role": "critic", "content": "?"}]},
    {"messages": [SYSTEM, USER, CALLING, result("4"), {"role": "assistant", "content": "Four."}], "tools": TOOLS},
    {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [call({"x": 1}), call({}, "now", "abcdef124")]},
                  result("2"), result("noon", "abcdef124"), {"role": "assistant", "content": "Two at noon."}], "tools": TOOLS},
    {"messages": [USER, {"role": "assistant", "content": "Let me see.", "tool_calls": [call('{"x": 2}')]}, result({"sum": 4})], "tools": TOOLS},
    {"messages": [USER, {**CALLING, "tool_calls": [call({"x": 1}, identifier="short")]}, result([1, "zwei"])], "tools": TOOLS},
    {"messages": [SYSTEM, {"role": "user", "content": [{"type": "text", "text": " Look: "}, {"type": "image"}, {"type": "text", "text": "what?"}]},
                  {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]}]},
    {"messages": [{"role": "system", "content": [{"type": "text", "text": "S"}]}, USER]},
    {"messages": [USER, {"role": "assistant", "content": None}]},
    {"messages": [USER, ANSWER], "documents": [{"title": "One", "text": "1 + 1 = 2"}, {"title": "Two", "text": "2 + 2 = 4"}], "controls": {"length": "short"}},
    {"messages": [{"role": "system", "content": "Help. /no_think"}, USER, ANSWER], "enable_thinking": False},
    {"messages": [USER], "enable_thinking": False, "tools_in_user_message": False, "tools": TOOLS, "builtin_tools": ["search", "code_interpreter"]},
    {"messages": [SYSTEM], "tools": TOOLS},
    {"messages": []},
    {"messages": [{"role": "user"}, {"content": "no role"}]},
]


def kind(error):
    for types, name in (
        (jinja2.TemplateSyntaxError, "syntax"), (jinja2.UndefinedError, "undefined"), (jinja2.exceptions.SecurityError, "security"),
        (jinja2.TemplateRuntimeError, "runtime"), (ZeroDivisionError, "division"), (OverflowError, "bound"),
        ((TypeError, AttributeError), "type"), (ValueError, "value"), ((KeyError, IndexError), "lookup"),
    ):
        if isinstance(error, types):
            return name
    raise error


def fnv(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def outcome(source, conversation, prompt):
    variables = {key: value for key, value in conversation.items() if key != "messages"}
    try:
        texts, spans = render_jinja_template(
            conversations=[conversation["messages"]], chat_template=source, add_generation_prompt=prompt,
            return_assistant_tokens_mask="{% generation" in source, **variables)
    except Exception as error:
        return f"raised: {error}" if type(error) is jinja2.TemplateError else f"error: {kind(error)}"
    return fnv(texts[0]) + "".join(f" {start}-{end}" for start, end in (spans[0] if spans else []))


def main():
    for conversation in CONVERSATIONS:
        conversation.update({"bos_token": "<s>", "eos_token": "</s>", "date_string": "05 Mar 2025"})
    outcomes = {
        path.stem: [
            outcome(path.read_text(encoding="utf-8"), conversation, prompt) for conversation in CONVERSATIONS for prompt in (False, True)
        ]
        for path in sorted((GOLDEN / "templates").glob("*.jinja"))
    }
    with (GOLDEN / "formats.json").open("w", encoding="utf-8") as file:
        json.dump({"conversations": CONVERSATIONS, "outcomes": outcomes}, file, ensure_ascii=False, indent=0)
        file.write("\n")
    for name, found in outcomes.items():
        errors = [o for o in found if ":" in o]
        print(f"{name}: {len(found) - len(errors)} texts, {len(errors)} errors: {sorted(set(errors))}")


main()
