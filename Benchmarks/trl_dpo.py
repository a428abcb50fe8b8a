"""TRL's DPOTrainer as its users get it on a CPU in fp32: trained model beside a frozen copy, padded batches; timed.

    python Benchmarks/trl_dpo.py --model FOLDER --data FILE.jsonl [--rows 24] [--batch-size 1] [--threads 2] [--precompute-reference]

One epoch over the first rows in their order, AdamW included; --warmup ROWS trains on the first rows before, untimed. Gradient checkpointing is off, because on a CPU it only costs time. Seconds
run from the start of the first step to the end of the last and so include the reference passes, unless --precompute-reference
sets `precompute_ref_log_probs`, which makes them before the first step. Prints one JSON object:
tokens (both sequences of a pair, the prompt counted twice, padding not counted), seconds, tokens_per_second,
peak_memory in bytes.
"""

import argparse
import json
import resource
import sys
import tempfile
import time

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer

from torch_step import load_rows, trainer_tokens


class StepClock(TrainerCallback):
    """Seconds between the start of the first step after the warm-up and the end of the last."""

    def __init__(self, warmup_steps):
        self.warmup_steps = warmup_steps
        self.first = None
        self.last = None

    def on_step_begin(self, _, state, *__, **___):
        if state.global_step == self.warmup_steps:
            self.first = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.last = time.perf_counter()


def read_dataset(path, count, warmup):
    """The first rows, and before them those of the warm-up."""
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()][:count]
    rows = rows[:warmup] + rows
    return Dataset.from_list([{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in rows])


def main():
    parser = argparse.ArgumentParser(description="TRL's DPOTrainer, timed")
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--global-batch", type=int, default=0, help="pairs of an optimizer step; 0: the batch size")
    parser.add_argument("--threads", type=int, default=0, help="0: what PyTorch chooses")
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--precompute-reference", action="store_true")
    parser.add_argument("--warmup", type=int, default=0, help="rows, from the first, of steps before that are not timed")
    options = parser.parse_args()
    pairs_per_step = max(options.batch_size, options.global_batch)
    if options.warmup % pairs_per_step:
        parser.error(f"--warmup {options.warmup}: expected whole steps of {pairs_per_step} pairs")
    if options.threads:
        torch.set_num_threads(options.threads)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    dataset = read_dataset(options.data, options.rows, options.warmup)
    tokens = trainer_tokens(load_rows(tokenizer, options.data, options.rows))
    clock = StepClock(options.warmup // pairs_per_step)
    with tempfile.TemporaryDirectory() as scratch:
        settings = DPOConfig(
            output_dir=scratch, per_device_train_batch_size=options.batch_size,
            gradient_accumulation_steps=max(1, options.global_batch // options.batch_size),
            num_train_epochs=1, learning_rate=5e-7, beta=options.beta, max_length=2048, bf16=False, use_cpu=True,
            train_sampling_strategy="sequential",
            gradient_checkpointing=False, report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True, seed=42,
            precompute_ref_log_probs=options.precompute_reference,
        )
        model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32, attn_implementation="sdpa")
        trainer = DPOTrainer(
            model=model, args=settings, train_dataset=dataset, processing_class=tokenizer, callbacks=[clock]
        )
        standard_output, sys.stdout = sys.stdout, sys.stderr
        try:
            trainer.train()
        finally:
            sys.stdout = standard_output
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry][clock.warmup_steps :]
    seconds = clock.last - clock.first
    print(json.dumps({
        "program": "trl", "precomputed_reference": options.precompute_reference, "rows": options.rows, "batch_size": options.batch_size, "tokens": tokens, "seconds": seconds,
        "tokens_per_second": tokens / seconds, "first_loss": float(losses[0]), "last_loss": float(losses[-1]),
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }))


if __name__ == "__main__":
    main()
