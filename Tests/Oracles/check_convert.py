"""Compares a folder that `treg convert` made from a GGUF file with what Python's libraries make of the same file.

Run: python Tests/Oracles/check_convert.py MODEL.gguf FOLDER [TEXTS.jsonl]

Every tensor must equal the gguf package's expansion bit for bit, query and key rows put back in Hugging Face's order; the
folder must open in transformers; token ids of AutoTokenizer must equal those of `tokenizers` on every string of TEXTS and
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


NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TOP = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}

reader = gguf.GGUFReader(source)
architecture = reader.fields["general.architecture"].contents()
head_counts = {
    "attn_q": reader.fields[f"{architecture}.attention.head_count"].contents(),
    "attn_k": reader.fields[f"{architecture}.attention.head_count_kv"].contents(),
}
converted = {}
for path in sorted(folder.glob("*.safetensors")):
    converted.update(load_file(path))
expected = {}
for tensor in reader.tensors:
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    parts = tensor.name.split(".")
    if architecture == "llama" and parts[0] == "blk" and parts[2] in head_counts:
        heads = head_counts[parts[2]]
        rest = values.shape[1:]
        values = values.reshape(heads, -1, 2, *rest).swapaxes(1, 2).reshape(-1, *rest)
    name = TOP.get(tensor.name) or f"model.layers.{parts[1]}.{NAMES[parts[2]]}.{parts[3]}"
    expected[name] = values
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
