"""A DPO step tuned by hand in PyTorch: every prompt computed once, several rows packed without padding, logits only where
a response token is predicted, AdamW in one fused pass, freed pages kept. What a careful PyTorch user can reach on a CPU; fp32.

    python Benchmarks/torch_step.py --model FOLDER --data FILE.jsonl [--rows 24] [--batch-size 1] [--threads 2]

--warmup ROWS trains on the first rows before, untimed. Prints one JSON object: tokens (both sequences of a pair, the prompt counted twice, as a padded trainer sees them),
seconds of the reference pass and of the training steps with AdamW, tokens_per_second, peak_memory in bytes.
"""

import argparse
import ctypes
import json
import resource
import time

import torch
import torch.nn.functional as functional
from transformers import AutoModelForCausalLM, AutoTokenizer


def keep_pages():
    """Lets glibc keep what tensors free: mapping, touching and returning the same pages in every step took a tenth of the time."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    top_pad, trim_threshold, mmap_max = -2, -1, -4
    set_option(mmap_max, 0)
    set_option(trim_threshold, 2**31 - 1)
    set_option(top_pad, 64 << 20)


def text_of(value):
    return value if isinstance(value, str) else value[-1]["content"]


def messages_of(value):
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


def load_rows(tokenizer, path, count=None):
    """Token ids (prompt, chosen, rejected) of the first rows; a response ends with the end-of-turn token."""
    end = tokenizer.eos_token_id
    rows = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.strip():
                continue
            row = json.loads(line)
            text = tokenizer.apply_chat_template(messages_of(row["prompt"]), tokenize=False, add_generation_prompt=True)
            prompt = tokenizer(text, add_special_tokens=False).input_ids
            responses = [
                tokenizer(text_of(row[side]), add_special_tokens=False).input_ids + [end] for side in ("chosen", "rejected")
            ]
            rows.append((prompt, *responses))
            if count and len(rows) == count:
                break
    return rows


def trainer_tokens(rows):
    """Tokens as a trainer without sharing sees them: prompt + chosen and prompt + rejected."""
    return sum(2 * len(prompt) + len(chosen) + len(rejected) for prompt, chosen, rejected in rows)


def pack(rows):
    """One packed sequence of T tokens: ids [1, T], positions [1, T], mask [1, 1, T, T], where to predict and what."""
    tokens, positions, sources, targets, lengths, spans = [], [], [], [], [], []
    for prompt, chosen, rejected in rows:
        start = len(tokens)
        tokens += prompt
        positions += range(len(prompt))
        spans.append((start, len(prompt), None))
        for response in (chosen, rejected):
            first = len(tokens)
            tokens += response
            positions += range(len(prompt), len(prompt) + len(response))
            spans.append((first, len(response), (start, len(prompt))))
            sources += [start + len(prompt) - 1, *range(first, first + len(response) - 1)]
            targets += response
            lengths.append(len(response))
    mask = torch.zeros(len(tokens), len(tokens), dtype=torch.bool)
    for start, count, parent in spans:
        mask[start : start + count, start : start + count] = torch.ones(count, count, dtype=torch.bool).tril()
        if parent:
            mask[start : start + count, parent[0] : parent[0] + parent[1]] = True
    return (
        torch.tensor([tokens]), torch.tensor([positions]), mask[None, None], torch.tensor(sources), torch.tensor(targets),
        lengths,
    )


def response_log_probs(model, rows):
    """Σ_t log π(y_t | x, y_<t) of chosen and rejected, [rows, 2], and the numbers of tokens, [rows, 2]."""
    tokens, positions, mask, sources, targets, lengths = pack(rows)
    hidden = model.model(tokens, attention_mask=mask, position_ids=positions, use_cache=False).last_hidden_state[0]
    logits = model.lm_head(hidden[sources])
    log_probs = -functional.cross_entropy(logits, targets, reduction="none")
    sums = torch.stack([part.sum() for part in log_probs.split(lengths)])
    return sums.view(-1, 2), torch.tensor(lengths).view(-1, 2)


def batches(rows, size):
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def train(model, optimizer, rows, options):
    """The loss of every optimizer step of one pass over the rows, the reference pass before it."""
    with torch.inference_mode():
        reference = [response_log_probs(model, batch)[0] for batch in batches(rows, options.batch_size)]
    losses = []
    size = options.global_batch or options.batch_size
    done = 0
    for batch, expected in zip(batches(rows, options.batch_size), reference):
        sums, _ = response_log_probs(model, batch)
        rewards = options.beta * (sums - expected)
        loss = functional.softplus(rewards[:, 1] - rewards[:, 0]).sum() / min(size, len(rows) - done // size * size)
        loss.backward()
        done += len(batch)
        if done % size and done < len(rows):
            continue
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return losses


def main():
    parser = argparse.ArgumentParser(description="a hand-tuned PyTorch DPO step, timed")
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--global-batch", type=int, default=0, help="pairs of an optimizer step; 0: the batch size")
    parser.add_argument("--threads", type=int, default=0, help="0: what PyTorch chooses")
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--warmup", type=int, default=0, help="rows, from the first, of steps before that are not timed")
    options = parser.parse_args()
    keep_pages()
    if options.threads:
        torch.set_num_threads(options.threads)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32, attn_implementation="sdpa")
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-7, weight_decay=0.0, fused=True)
    rows = load_rows(tokenizer, options.data, options.rows)
    train(model, optimizer, rows[: options.warmup], options)
    start = time.perf_counter()
    losses = train(model, optimizer, rows, options)
    seconds = time.perf_counter() - start
    tokens = trainer_tokens(rows)
    print(json.dumps({
        "program": "torch_step", "rows": len(rows), "batch_size": options.batch_size, "tokens": tokens, "seconds": seconds,
        "tokens_per_second": tokens / seconds, "first_loss": losses[0], "last_loss": losses[-1],
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }))


if __name__ == "__main__":
    main()
