"""Prompts and responses as TRL's DPOTrainer tokenises them, for chat templates and plain text.

Run from the project's root, with the GGUF file of SmolLM2-135M-Instruct (its vocabulary is all that is used):
    python Tests/Oracles/pairs_golden.py path/to/SmolLM2-135M-Instruct.gguf
Needs transformers, trl, datasets and gguf. For every row it writes the ids of each text that can be asked for,
and TRL's three lists of ids. Rows and templates are written here.
"""

import json
import pathlib
import sys
import types

from datasets import Dataset
from transformers import AutoTokenizer
from trl import DPOTrainer

path = pathlib.Path(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
assert tokenizer.eos_token == "<|im_end|>", tokenizer.eos_token

TURN = "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}"
TEMPLATES = {
    "marked": "{% for m in messages %}" + TURN + "{% endfor %}"
              "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    # Opens a thought for generation only, so that the rendered prompt is no prefix.
    "thinking": "{% for m in messages %}" + TURN + "{% endfor %}"
                "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<thought>\\n' }}{% endif %}",
    # Writes an empty thought before every answer, so that text stands between prompt and response.
    "adding": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}"
              "{% if m['role'] == 'assistant' %}{{ '<thought>\\n\\n</thought>\\n\\n' }}{% endif %}"
              "{{ m['content'] + '<|im_end|>\\n' }}{% endfor %}"
              "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    # No marks at all; the answer's first token swallows the blank.
    "frame": "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ 'Answer: ' + m['content'] + '<|im_end|>' }}"
             "{% else %}{{ 'Question: ' + m['content'] + '\\n' }}{% endif %}{% endfor %}"
             "{% if add_generation_prompt %}{{ 'Answer:' }}{% endif %}",
}


def turn(role, content):
    return {"role": role, "content": content}


def pair(prompt, chosen, rejected):
    return {"prompt": prompt, "chosen": [turn("assistant", chosen)], "rejected": [turn("assistant", rejected)]}


CONVERSATIONS = [
    pair([turn("user", "Name a colour of the rainbow.")], "Green is one of them.", "Bananas are yellow and curved."),
    pair([turn("user", "2+2?")], "4", "5"),
    pair([turn("system", "Answer in one word."), turn("user", "Capital of Peru?"), turn("assistant", "Lima"),
          turn("user", "And of Chile?")], "Santiago", "Santiago de Chile, of course!"),
    pair([turn("user", "Wie heißt „snow“ auf Deutsch? ❄️")], "Schnee ❄️", "雪です。"),
    pair([turn("user", "Write a loop.")], "for i in range(3):\n    print(i)\n", "\n\nfor i in range(3):\n\tprint(i)"),
    pair([turn("user", "Same start?")], "Yes, the same start, then this.", "Yes, the same start, then that."),
]
PLAIN = [
    {"prompt": "The sky is", "chosen": " blue.", "rejected": " made of cheese."},
    {"prompt": "Count: 1, 2,", "chosen": " 3, 4", "rejected": " 9<|im_end|>"},
    {"prompt": "She said \"", "chosen": "hello\" and left.", "rejected": "nothing at all."},
]


def as_trl(rows):
    arguments = types.SimpleNamespace(dataset_num_proc=None, max_length=None, truncation_mode="keep_start")
    trainer = types.SimpleNamespace(_tokenizer=tokenizer)
    made = DPOTrainer._prepare_dataset(trainer, Dataset.from_list(rows), tokenizer, arguments, "train")
    return [{key: row[key] for key in ("prompt_ids", "chosen_ids", "rejected_ids")} for row in made]


cases = []
for name, template in TEMPLATES.items():
    tokenizer.chat_template = template
    for row, expected in zip(CONVERSATIONS, as_trl(CONVERSATIONS)):
        renderings = []
        for messages, generation in (
            (row["prompt"], True), (row["prompt"], False), (row["prompt"] + row["chosen"], False),
            (row["prompt"] + row["rejected"], False),
        ):
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation)
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            renderings.append({"text": text, "ids": ids})
        cases.append({"template": name, **row, "renderings": renderings, **expected})
for row, expected in zip(PLAIN, as_trl(PLAIN)):
    end = tokenizer.eos_token
    texts = [row["prompt"]] + [row["prompt"] + row[side].removesuffix(end) + end for side in ("chosen", "rejected")]
    renderings = [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in texts]
    cases.append({"template": None, **row, "renderings": renderings, **expected})

output = pathlib.Path(__file__).parent.parent / "PreferenceDataTests" / "Golden" / "pairs.json"
output.parent.mkdir(parents=True, exist_ok=True)
output.write_text(json.dumps({"end": tokenizer.eos_token_id, "templates": TEMPLATES, "cases": cases}, ensure_ascii=False) + "\n")
print(len(cases), "cases,", output.stat().st_size, "bytes")
