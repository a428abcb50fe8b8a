"""Rows in the forms that TRL, LLaMA-Factory and axolotl take, and the texts that TRL makes of each.

Run from the project's root:  python Tests/Oracles/forms_golden.py
Needs trl, transformers and tokenizers. Every row goes through TRL's own extract_prompt and apply_chat_template. Rows of the other two
programs are first put into TRL's conversational form here, by what those programs' documentation says of their columns.
"""

import json
import pathlib

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from trl.data_utils import extract_prompt, is_conversational, maybe_apply_chat_template

# One mark before and after every turn; shows tools; answers without a thought show that when it is asked for.
TEMPLATE = (
    "{% if tools %}{{ '<start>tools:' + (tools | tojson) + '<end>' }}{% endif %}"
    "{% for m in messages %}{{ '<start>' + m['role'] + ':' }}"
    "{% if m['role'] == 'assistant' and enable_thinking is defined and not enable_thinking %}{{ '<think>' }}{% endif %}"
    "{{ m['content'] + '<end>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start>assistant:' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>' }}{% endif %}{% endif %}"
)
END = "<end>"
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=Tokenizer(models.BPE()), eos_token=END, pad_token=END, chat_template=TEMPLATE)


def turn(role, content):
    return {"role": role, "content": content}


def said(source, value):
    return {"from": source, "value": value}


def same(row):
    return row


def pair(prompt, chosen, rejected, system=None, **more):
    start = [turn("system", system)] if system else []
    prompt = [turn("user", prompt)] if isinstance(prompt, str) else prompt
    return {
        "prompt": start + prompt, "chosen": [turn("assistant", chosen)], "rejected": [turn("assistant", rejected)], **more}


# LLaMA-Factory, data/README.md.

def factory_alpaca(row):
    rounds = [turn(role, text) for pair in row.get("history", []) for role, text in zip(("user", "assistant"), pair)]
    question = "\n".join(text for text in (row["instruction"], row.get("input", "")) if text)
    return pair(rounds + [turn("user", question)], row["chosen"], row["rejected"], row.get("system"))


def factory_sharegpt(row):
    roles = {"human": "user", "gpt": "assistant", "observation": "tool"}
    prompt = [turn(roles[message["from"]], message["value"]) for message in row["conversations"]]
    more = {"tools": row["tools"]} if row.get("tools") else {}
    return pair(prompt, row["chosen"]["value"], row["rejected"]["value"], row.get("system"), **more)


# axolotl, docs/rlhf.qmd.

def axolotl_columns(question, chosen="chosen", rejected="rejected"):
    return lambda row: pair(row[question], row[chosen], row[rejected], row.get("system"))


def axolotl_messages(row):
    return {"prompt": row["messages"], "chosen": [row["chosen"]], "rejected": [row["rejected"]]}


def axolotl_last_turns(row):
    start = [turn("system", row["system"])] if row.get("system") else []
    return {"prompt": start + row["chosen"][:-1], "chosen": row["chosen"][-1:], "rejected": row["rejected"][-1:]}


TOOLS = [{"type": "function", "function": {"name": "look", "description": "Looks \"up\".", "parameters": {}}}]
ASKED = [turn("system", "S"), turn("user", "q"), turn("assistant", "r"), turn("user", "s")]
GOOD, POOR = [turn("assistant", "good")], [turn("assistant", "go on")]
BOTH = {"chosen": "good", "rejected": "go on"}
CASES = [
    ("TRL: conversational", {"prompt": ASKED, "chosen": GOOD, "rejected": POOR}, same),
    ("TRL: conversational, implicit prompt", {"chosen": ASKED + GOOD, "rejected": ASKED + POOR}, same),
    ("TRL: standard", {"prompt": "The sky is", "chosen": " blue.", "rejected": " below.<end>"}, same),
    ("TRL: standard, implicit prompt", {"chosen": "The sky is blue.", "rejected": "The sky is green."}, same),
    ("TRL: standard, implicit prompt within a word", {"chosen": "It is good.", "rejected": "It is gone."}, same),
    ("TRL: tools", {"prompt": ASKED, "chosen": GOOD, "rejected": POOR, "tools": TOOLS}, same),
    ("TRL: tools as text", {"chosen": ASKED + GOOD, "rejected": ASKED + POOR, "tools": json.dumps(TOOLS)}, same),
    ("TRL: chat_template_kwargs",
     {"prompt": ASKED, "chosen": GOOD, "rejected": POOR, "chat_template_kwargs": {"enable_thinking": False}}, same),
    ("TRL: chat_template_kwargs that change nothing",
     {"prompt": ASKED, "chosen": GOOD, "rejected": POOR, "chat_template_kwargs": {"enable_thinking": True}}, same),
    ("LLaMA-Factory: alpaca", {"instruction": "q", "input": "", **BOTH}, factory_alpaca),
    ("LLaMA-Factory: alpaca with input, system and history",
     {"instruction": "q", "input": "i", "system": "S", "history": [["a", "b"], ["c", "d"]], **BOTH}, factory_alpaca),
    ("LLaMA-Factory: alpaca with input alone", {"instruction": "", "input": "i", "history": [], **BOTH}, factory_alpaca),
    ("LLaMA-Factory: sharegpt",
     {"conversations": [said("human", "q"), said("gpt", "r"), said("human", "s")], "chosen": said("gpt", "good"),
      "rejected": said("gpt", "go on")}, factory_sharegpt),
    ("LLaMA-Factory: sharegpt with system, tools and an observation",
     {"conversations": [said("human", "q"), said("gpt", "r"), said("observation", "o")], "system": "S",
      "tools": json.dumps(TOOLS), "chosen": said("gpt", "good"), "rejected": said("gpt", "go on")}, factory_sharegpt),
    ("axolotl: chat_template.default", {"messages": ASKED, "chosen": GOOD[0], "rejected": POOR[0]}, axolotl_messages),
    ("axolotl: chat_template.argilla", {"system": "S", "chosen": ASKED[1:] + GOOD, "rejected": ASKED[1:] + POOR},
     axolotl_last_turns),
    ("axolotl: chatml.intel", {"system": "S", "question": "q", **BOTH}, axolotl_columns("question")),
    ("axolotl: chatml.icr", {"system": "S", "input": "q", **BOTH}, axolotl_columns("input")),
    ("axolotl: chatml.prompt_pairs", {"system": "S", "prompt": "q", **BOTH}, axolotl_columns("prompt")),
    ("axolotl: chatml.argilla",
     {"system": "S", "instruction": "q", "chosen_response": "good", "rejected_response": "go on"},
     axolotl_columns("instruction", "chosen_response", "rejected_response")),
    ("axolotl: chatml.ultra",
     {"system": "S", "prompt": "q", "chosen": [turn("user", "q")] + GOOD, "rejected": [turn("user", "q")] + POOR},
     axolotl_last_turns),
]


def as_trl(row):
    if "prompt" not in row:
        row = {**row, **extract_prompt(row)}
    if not is_conversational(row):
        return {
            "prompt": row["prompt"],
            **{side: row[side].removesuffix(END) + END for side in ("chosen", "rejected")}}
    tools = row.get("tools")
    tools = json.loads(tools) if isinstance(tools, str) else tools
    made = maybe_apply_chat_template({key: value for key, value in row.items() if key != "tools"}, tokenizer, tools=tools)
    return {key: made[key] for key in ("prompt", "chosen", "rejected")}


cases = [{"name": name, "row": row, "texts": as_trl(convert(row))} for name, row, convert in CASES]
output = pathlib.Path(__file__).parent.parent / "PreferenceDataTests" / "Golden" / "forms.json"
lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
output.write_text(f'{{"template": {json.dumps(TEMPLATE)}, "cases": [\n{lines}\n]}}\n')
print(len(cases), "cases,", output.stat().st_size, "bytes")
