"""Compares a folder that `treg convert` made from a GGUF file with what Python's libraries make of the same file.

Run: python Tests/Oracles/check_convert.py MODEL.gguf FOLDER [TEXTS.jsonl]

Every tensor must equal the gguf package's expansion bit for bit, with what converters to GGUF change undone; the folder must open in transformers; token ids of AutoTokenizer must equal those of `tokenizers` on every string of TEXTS and
decode to the same text. Prints one line per check and ends with code 1 when one fails.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

source, folder = Path(sys.argv[1]), Path(sys.argv[2])
failures = 0


def report(passed, text):
    global failures
    failures += not passed
    print("ok  " if passed else "FAIL", text)


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for element in value:
            yield from strings(element)
    elif isinstance(value, dict):
        for element in value.values():
            yield from strings(element)


reader = gguf.GGUFReader(source)


def field(name, standard=None):
    return reader.fields[name].contents() if name in reader.fields else standard


architecture = field("general.architecture")
prefix = f"{architecture}."
head_counts = {
    "q_proj": field(prefix + "attention.head_count"),
    "k_proj": field(prefix + "attention.head_count_kv", field(prefix + "attention.head_count")),
}
kind = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
names = gguf.get_tensor_name_map(kind, field(prefix + "block_count"))
converted = {}
for path in sorted(folder.glob("*.safetensors")):
    converted.update(load_file(path))
stored = {tensor.name: tensor for tensor in reader.tensors}
expected = {}
for name in converted:
    # By the gguf package's table; what its converter changes is undone here.
    base, suffix = name.rsplit(".", 1)
    tensor = stored.pop(f"{names.get_name(base)}.{suffix}", None)
    if tensor is None:
        continue
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    module = base.split(".")[-1]
    if architecture in ("llama", "smollm3", "granite") and module in head_counts:
        heads = head_counts[module]
        rest = values.shape[1:]
        values = values.reshape(heads, -1, 2, *rest).swapaxes(1, 2).reshape(-1, *rest)
    if architecture in ("gemma", "gemma2", "gemma3") and name.endswith("norm.weight"):
        values = values - np.float32(1)
    if architecture == "gpt2" and module in ("c_attn", "c_proj", "c_fc") and suffix == "weight":
        values = values.T
    expected[name] = np.ascontiguousarray(values)
left = [name for name in stored if not name.startswith("rope_")]
report(not left, f"{len(stored)} tensors of the file left out{': ' + ', '.join(stored) if stored else ''}")
report(expected.keys() == converted.keys(), f"{len(expected)} tensors by name")
equal = [
    name
    for name in expected
    if name in converted
    and expected[name].shape == converted[name].shape
    and np.array_equal(expected[name].view(np.uint32), np.ascontiguousarray(converted[name]).view(np.uint32))
]
report(len(equal) == len(expected), f"{len(equal)} of {len(expected)} tensors equal bit for bit")

model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
report(not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), "the model opens in transformers")
auto = AutoTokenizer.from_pretrained(folder)
plain = Tokenizer.from_file(str(folder / "tokenizer.json"))

texts = ["Hello  world", "naïve façade 日本語 🙂\n\n\t  1234567", "<|im_start|>user\nHi<|im_end|>\n"]
if len(sys.argv) > 3:
    for line in Path(sys.argv[3]).read_text().splitlines():
        texts.extend(strings(json.loads(line)))
same = sum(auto(text, add_special_tokens=False)["input_ids"] == plain.encode(text, add_special_tokens=False).ids for text in texts)
report(same == len(texts), f"{same} of {len(texts)} texts have the same ids in AutoTokenizer and tokenizers")
# A vocabulary without some bytes loses characters; that is the model's, not the conversion's.
try:
    other = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    same = sum(other(text, add_special_tokens=False)["input_ids"] == plain.encode(text, add_special_tokens=False).ids for text in texts)
    message = f"{same} of {len(texts)} texts have the same ids in the tokenizer that transformers makes of the file"
    if field("tokenizer.ggml.model") == "llama":
        report(same == len(texts), message)
    else:
        # Transformers does not know how every byte-level vocabulary cuts texts (digits of smollm and starcoder).
        print("    ", message)
except Exception as error:
    print("    ", f"transformers makes no tokenizer of the file: {error}")
kept = sum(auto.decode(auto(text, add_special_tokens=False)["input_ids"]) == text for text in texts)
print("    ", f"{kept} of {len(texts)} texts come back from their ids unchanged")
if auto.chat_template:
    messages = [{"role": "user", "content": "What is the capital of France? One word."}]
    prompt = auto.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = torch.tensor([plain.encode(prompt, add_special_tokens=False).ids])
    with torch.no_grad():
        answer = model.generate(ids, max_new_tokens=12, do_sample=False)
    print("    ", "answer:", repr(auto.decode(answer[0, ids.shape[1] :])))
sys.exit(failures > 0)
