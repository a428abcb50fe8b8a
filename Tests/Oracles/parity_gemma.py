"""The second real model, Gemma 3 270M as a GGUF file: log-probs and token rewards of treg beside transformers in fp64.

    python Tests/Oracles/parity_gemma.py --treg .build/release/treg --model gemma-3-270m-q4_k_m.gguf [--data FILE.jsonl]

A base model without a chat template, so that rows are string columns: the texts of the messages of --data (standard:
../shared/data/alpaca_pairs.jsonl when it is there, else demo/held_out.jsonl). Used are the shortest row and the two longest;
sequences must pass the sliding window of 512 tokens. Token ids must equal those of the tokenizer that transformers
makes of the same file.

The truth has nothing of treg's in it: weights expanded by the gguf package and renamed by its table, the configuration put
together here from the file's keys, transformers' Gemma3 with every cast to fp32 made one to fp64. Exit codes: 0 within
2e-4, 1 not, 66 something is missing, 70 treg failed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["TQDM_DISABLE"] = "1"

import gguf
import torch
from transformers import AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig

from architectures_golden import exact

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = ROOT.parent / "shared" / "data" / "alpaca_pairs.jsonl"
TOLERANCE = 2e-4


def text_of(value):
    return value if isinstance(value, str) else "".join(message["content"] for message in value)


def rows_of(path):
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    rows = [{key: text_of(row[key]) for key in ("prompt", "chosen", "rejected")} for row in rows]
    order = sorted(range(len(rows)), key=lambda index: (sum(map(len, rows[index].values())), index))
    return [rows[index] for index in order[:1] + order[-2:]]


def truth_of(path):
    reader = gguf.GGUFReader(path)

    def key(name):
        return reader.fields[f"gemma3.{name}"].contents()

    config = Gemma3TextConfig(
        vocab_size=int(next(t for t in reader.tensors if t.name == "token_embd.weight").shape[1]),
        hidden_size=key("embedding_length"), intermediate_size=key("feed_forward_length"),
        num_hidden_layers=key("block_count"), num_attention_heads=key("attention.head_count"),
        num_key_value_heads=key("attention.head_count_kv"), head_dim=key("attention.key_length"),
        max_position_embeddings=key("context_length"), rms_norm_eps=1e-6, query_pre_attn_scalar=key("attention.key_length"),
        sliding_window=key("attention.sliding_window"),
        layer_types=["full_attention" if index % 6 == 5 else "sliding_attention" for index in range(key("block_count"))],
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": key("rope.freq_base")},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}},
        attn_logit_softcapping=None, final_logit_softcapping=None, tie_word_embeddings=True)
    model = Gemma3ForCausalLM._from_config(config, dtype=torch.float32, attn_implementation="eager")
    stored = {tensor.name: tensor for tensor in reader.tensors}
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA3, config.num_hidden_layers)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            base, suffix = name.rsplit(".", 1)
            tensor = stored[f"{names.get_name(base)}.{suffix}"]
            values = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("float32").copy())
            parameter.copy_(values.reshape(parameter.shape) - (1 if name.endswith("norm.weight") else 0))
    return model.double().eval()


def log_probs(model, prompt, response):
    """log π of the response's tokens; the vocabulary only at those, in pieces."""
    tokens = torch.tensor([prompt + response])
    hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state[0, len(prompt) - 1 : -1]
    pieces = []
    for start in range(0, len(response), 64):
        rows = torch.log_softmax(model.lm_head(hidden[start : start + 64]), dim=-1)
        pieces.append(rows.gather(1, torch.tensor(response[start : start + 64])[:, None])[:, 0])
    return torch.cat(pieces)


def records_of(options, rows, scratch):
    data = scratch / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    out = scratch / "rewards"
    command = [options.treg, "rewards", "--model", options.model, "--data", str(data), "--out", str(out), "--jsonl",
               "--treg_template", options.template]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        print(f"exit code {result.returncode}: {' '.join(command)}\n{result.stderr.strip()[-2000:]}", file=sys.stderr)
        sys.exit(70)
    records = [json.loads(line) for path in sorted(out.rglob("*.jsonl")) for line in path.read_text().splitlines()]
    return sorted(records, key=lambda record: (record["row"], record["side"]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--treg", default=str(ROOT / ".build" / "release" / "treg"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--data")
    parser.add_argument("--template", default="revise")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = Path(options.data) if options.data else SHARED if SHARED.exists() else ROOT / "demo" / "held_out.jsonl"
    for path in (data, Path(options.model), Path(options.treg)):
        if not path.exists():
            print(f"{path}: no such file", file=sys.stderr)
            return 66
    rows = rows_of(data)
    with tempfile.TemporaryDirectory(prefix="treg-parity-") as scratch:
        records = records_of(options, rows, Path(scratch))
    assert len(records) == 2 * len(rows), f"{len(records)} records of {len(rows)} rows"

    file = Path(options.model)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    different = 0
    for record in records:
        row = rows[record["row"]]
        ids = tokenizer(row["prompt"] + row[record["side"]]).input_ids + [tokenizer.eos_token_id]
        different += record["prompt_tokens"] + record["tokens"] != ids
    print(f"{len(records) - different} of {len(records)} token sequences equal transformers'")

    model = truth_of(options.model)
    worst = {"reference_logprobs": 0.0, "better_logprobs": 0.0, "worse_logprobs": 0.0, "rewards": 0.0}
    longest = count = 0
    with exact(), torch.no_grad():
        for record in records:
            values = {}
            for name, prompt in (("reference", "prompt"), ("better", "better_prompt"), ("worse", "worse_prompt")):
                tokens = record[f"{prompt}_tokens"]
                longest = max(longest, len(tokens) + len(record["tokens"]))
                values[f"{name}_logprobs"] = log_probs(model, tokens, record["tokens"])
            values["rewards"] = 0.5 * torch.tanh(0.5 * (values["better_logprobs"] - values["worse_logprobs"]))
            count += len(record["tokens"])
            for name, truth in values.items():
                difference = (torch.tensor(record[name], dtype=torch.float64) - truth).abs().max().item()
                worst[name] = max(worst[name], difference)
    print(f"{count} scored tokens, sequences of up to {longest} tokens (window {model.config.sliding_window})")
    for name, value in worst.items():
        print(f"{name:<22} largest difference {value:.2e}  {'ok' if value <= TOLERANCE else 'OUT'}")
    passed = longest > model.config.sliding_window and not different and max(worst.values()) <= TOLERANCE
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
