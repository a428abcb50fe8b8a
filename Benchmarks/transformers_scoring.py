"""The forward passes that token rewards take, in transformers: of every response after its prompt, after the better and after the
worse prompt; timed.

    python Benchmarks/transformers_scoring.py --model FOLDER --records FILE.jsonl [--rows 8] [--batch-size 1] [--threads 2]

FILE is what `treg rewards --jsonl` writes: prompts and responses as the very tokens that treg scored. A sequence is computed
whole; logits are made of the response's tokens alone (`logits_to_keep`). Batches hold sequences of like length, padded at the
left so that all responses end together. Seconds are those of the passes; model and file are read before.

Prints one JSON object: tokens (of all six sequences of a pair in full, padding not counted), seconds, tokens_per_second,
peak_memory in bytes, largest_difference from treg's log-probs, which says that both computed the same.
"""

import argparse
import json
import resource
import time

import torch
from transformers import AutoModelForCausalLM


def load_sequences(path, rows):
    """Prompt, response and treg's log-probs of each sequence."""
    sequences = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if record["row"] >= rows:
                continue
            for kind, prompt in (("reference", "prompt"), ("better", "better_prompt"), ("worse", "worse_prompt")):
                sequences.append((record[f"{prompt}_tokens"], record["tokens"], record[f"{kind}_logprobs"]))
    return sequences


def batches(sequences, size):
    ordered = sequences if size == 1 else sorted(sequences, key=lambda item: len(item[0]) + len(item[1]))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def log_probs(model, batch):
    """log π of each response's tokens."""
    length = max(len(prompt) + len(response) for prompt, response, _ in batch)
    longest = max(len(response) for _, response, _ in batch)
    tokens = torch.zeros(len(batch), length, dtype=torch.long)
    mask = torch.zeros(len(batch), length, dtype=torch.long)
    for row, (prompt, response, _) in enumerate(batch):
        count = len(prompt) + len(response)
        tokens[row, length - count :] = torch.tensor(prompt + response)
        mask[row, length - count :] = 1
    # Nothing is padded in a batch of one or of equals, and attention is faster without a mask.
    padding = {} if mask.all() else {"attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    logits = model(tokens, use_cache=False, logits_to_keep=longest + 1, **padding).logits[:, :-1]
    found = []
    for row, (_, response, _) in enumerate(batch):
        own = logits[row, longest - len(response) :]
        found.append(-torch.nn.functional.cross_entropy(own, tokens[row, length - len(response) :], reduction="none"))
    return found


def main():
    parser = argparse.ArgumentParser(description="forward passes over contrastive prompts in transformers, timed")
    parser.add_argument("--model", required=True)
    parser.add_argument("--records", required=True)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="0: what PyTorch chooses")
    parser.add_argument("--warmup", action="store_true", help="score the longest batch once before, untimed")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32, attn_implementation="sdpa").eval()
    sequences = load_sequences(options.records, options.rows)
    found = []
    divided = batches(sequences, options.batch_size)
    with torch.inference_mode():
        if options.warmup:
            log_probs(model, max(divided, key=lambda batch: max(len(prompt) + len(response) for prompt, response, _ in batch)))
        start = time.perf_counter()
        for batch in divided:
            found += log_probs(model, batch)
    seconds = time.perf_counter() - start
    expected = [values for batch in divided for _, _, values in batch]
    tokens = sum(len(prompt) + len(response) for prompt, response, _ in sequences)
    print(json.dumps({
        "program": "transformers_scoring", "rows": options.rows, "batch_size": options.batch_size, "tokens": tokens,
        "seconds": seconds, "tokens_per_second": tokens / seconds,
        "largest_difference": max((own - torch.tensor(other)).abs().max().item() for own, other in zip(found, expected)),
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }))


if __name__ == "__main__":
    main()
