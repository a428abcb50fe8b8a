"""Every architecture from the command line, against PyTorch and transformers in double precision.

    python Tests/Oracles/check_architectures.py --treg .build/release/treg [NAME …]

For each variant a random model (4 layers, width 64, vocabulary 300, grouped queries, norms and biases off their starting
values) is saved by transformers with a byte-level tokenizer and a chat template. Four pairs go with it: one stays below every
window and every length at which rotary embeddings change, one has a response on either side of such a length, one has a
prompt longer than any window before two responses that begin alike, one is long throughout.

    treg rewards          token ids, log-probs and rewards of all four; PyTorch makes the numbers anew from the ids
    treg bench gradients  loss and every gradient of one T-REG batch of all four, packed as trees
    treg train            three AdamW steps of one row each; the saved folder opens in transformers, whose log-probs after
                          training equal those of PyTorch's own three steps; for RESUMED variants a run that is resumed
                          after its first step ends with the same bytes

PyTorch runs one sequence per call without padding. Casts to fp32 inside transformers are casts to fp64 meanwhile. Prints a line
of figures for each variant; exit code 1 when one is out of TOLERANCES, 70 when a command fails.
"""

import argparse
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["TQDM_DISABLE"] = "1"

import torch
from safetensors.torch import load_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from architectures_golden import exact, rope
from epoch_orders import order as epoch_order
from llama_truth import log_probabilities, regularized_dpo

VOCABULARY, WINDOW, THRESHOLD = 300, 24, 128
SEED, BETA, ALPHA, RATE, STEPS = 42, 0.1, 0.25, 1e-3, 3
RESUMED = ("gemma3", "phi3-longrope")

TOLERANCES = {
    "log-probs": 2e-4,  # largest difference
    "rewards": 2e-4,
    "loss": 2e-5,  # relative
    "worst gradient": 1e-3,  # 2-norm of the difference over that of the truth, for each tensor
    "median gradient": 2e-4,
    "trained": 2e-3,  # largest difference of log-probs after three steps, which Adam's division by tiny roots widens
}

COMMON = {
    "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 1024, "initializer_range": 0.12, "bos_token_id": 0,
    "eos_token_id": 2, "pad_token_id": 1,
}
LONG = {
    "short_factor": [1.0, 1.1, 1.3, 1.6, 2.0, 2.5, 3.0, 4.0], "long_factor": [1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 16.0, 20.0],
}


def partial(factors, count):
    return {name: values[:count] for name, values in factors.items()}


LAYERS = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
VARIANTS = {
    "llama": ("llama", rope(theta=10000.0)),
    "llama-biased": ("llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 12, **rope(theta=10000.0)}),
    "llama-linear": ("llama", rope("linear", 10000.0, factor=4.0)),
    "llama-dynamic": ("llama", {"max_position_embeddings": THRESHOLD, **rope("dynamic", 10000.0, factor=8.0)}),
    "llama3": ("llama", {"tie_word_embeddings": True, **rope(
        "llama3", 500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=THRESHOLD)}),
    "llama-yarn": ("llama", rope(
        "yarn", 10000.0, factor=8.0, original_max_position_embeddings=THRESHOLD, beta_fast=4.0)),
    "smollm2": ("llama", {
        "num_attention_heads": 3, "hidden_size": 48, "num_key_value_heads": 1, "tie_word_embeddings": True, "pad_token_id": 2,
        **rope(theta=100000.0)}),
    "smollm3": ("smollm3", {"no_rope_layers": [1, 1, 1, 0], "tie_word_embeddings": True, **rope(theta=2000000.0)}),
    "mistral": ("mistral", {"sliding_window": WINDOW, "head_dim": 24, **rope(theta=10000.0)}),
    "qwen2": ("qwen2", {"tie_word_embeddings": True, **rope(theta=1000000.0)}),
    "qwen2-window": ("qwen2", {
        "use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 2, **rope(theta=1000000.0)}),
    "qwen2-yarn": ("qwen2", rope("yarn", 1000000.0, factor=4.0, original_max_position_embeddings=256)),
    "qwen3": ("qwen3", {"head_dim": 32, "tie_word_embeddings": True, **rope(theta=1000000.0)}),
    "gemma": ("gemma", {
        "head_dim": 32, "num_key_value_heads": 1, "hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": True,
        **rope(theta=10000.0)}),
    "gemma2": ("gemma2", {
        "head_dim": 32, "sliding_window": WINDOW, "query_pre_attn_scalar": 24, "attn_logit_softcapping": 2.0,
        "final_logit_softcapping": 3.0, "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": True,
        **rope(theta=10000.0)}),
    "gemma3": ("gemma3_text", {
        "head_dim": 32, "sliding_window": WINDOW, "query_pre_attn_scalar": 24, "num_key_value_heads": 1,
        "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": True, "layer_types": LAYERS,
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
        }}),
    "phi3": ("phi3", {"sliding_window": WINDOW, **rope(theta=10000.0)}),
    "phi3-longrope": ("phi3", {"original_max_position_embeddings": THRESHOLD, **rope("longrope", 10000.0, **LONG)}),
    "phi4-mini": ("phi3", {
        "original_max_position_embeddings": THRESHOLD, "tie_word_embeddings": True, "sliding_window": 200,
        **rope("longrope", 10000.0, partial_rotary_factor=0.75, **partial(LONG, 6))}),
    "olmo2": ("olmo2", rope(theta=500000.0)),
    "granite": ("granite", {
        "embedding_multiplier": 12.0, "logits_scaling": 1.5, "residual_multiplier": 0.22, "attention_multiplier": 0.25,
        "tie_word_embeddings": True, **rope(theta=10000.0)}),
    "gpt2": ("gpt2", {
        "n_embd": 64, "n_layer": 4, "n_head": 4, "n_positions": 1024, "n_inner": None, "activation_function": "gelu_new",
        "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}),
}

SPECIAL = ["<|begin|>", "<|padding|>", "<|end|>", "<|turn|>"]
TEMPLATE = (
    "<|begin|>{% for message in messages %}{{ '<|turn|>' + message['role'] + '\n' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|turn|>assistant\n' }}{% endif %}"
)


def words(generator, count):
    """About `count` tokens of made-up words."""
    text = ""
    while len(text) < 2 * count:
        text += "".join(generator.choice("bdfgklmnprstvz") + generator.choice("aeiou") for _ in range(generator.randint(1, 3))) + " "
    return text.strip()


def pairs():
    generator = random.Random(7)
    common = words(generator, 12)
    lengths = [(8, 10, 18), (50, 90, 12), (120, 45, 70), (60, 190, 110)]
    for index, (prompt, chosen, rejected) in enumerate(lengths):
        start = common + " " if index == 2 else ""
        sides = {"prompt": ("user", words(generator, prompt)), "chosen": ("assistant", start + words(generator, chosen)),
                 "rejected": ("assistant", start + words(generator, rejected))}
        yield {name: [{"role": role, "content": text}] for name, (role, text) in sides.items()}


def write_tokenizer(folder, texts):
    result = Tokenizer(models.BPE())
    result.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    result.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    result.train_from_iterator(texts, trainer)
    result.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    PreTrainedTokenizerFast(
        tokenizer_object=result, bos_token=SPECIAL[0], pad_token=SPECIAL[1], eos_token=SPECIAL[2], chat_template=TEMPLATE,
    ).save_pretrained(folder)


def write_model(folder, kind, settings, seed):
    torch.manual_seed(seed)
    shapes = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 2, "initializer_range": 0.12} if kind == "gpt2" else COMMON
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shapes | settings), dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)


def forgetful(model):
    """Transformers' dynamic frequencies grow with the longest sequence so far; here every sequence runs as if alone."""
    for module in model.modules():
        if getattr(module, "rope_type", None) == "dynamic":
            module.register_forward_pre_hook(
                lambda rotary, _: setattr(rotary, "max_seq_len_cached", rotary.original_max_seq_len)
                or setattr(rotary, "inv_freq", rotary.original_inv_freq))
    return model


def load(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return forgetful(model.double().eval())


class CommandFailure(Exception):
    pass


def run(*command):
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise CommandFailure(f"exit code {result.returncode}: {' '.join(map(str, command))}\n{result.stderr.strip()[-1500:]}")
    return result.stdout


class Variant:
    def __init__(self, treg, folder, data):
        self.treg, self.folder, self.data, self.model = treg, folder, data, folder / "model"

    def command(self, *words, **settings):
        flags = [part for key, value in settings.items() for part in (f"--{key}", value)]
        return run(self.treg, *words, "--model", self.model, "--data", self.data, "--max-length", 600, "--threads", 1, *flags)

    def records(self):
        out = self.folder / "rewards"
        self.command("rewards", "--jsonl", out=out)
        lines = [json.loads(line) for path in sorted(out.rglob("*.jsonl")) for line in path.read_text().splitlines()]
        return {(record["row"], record["side"]): record for record in lines}

    def gradients(self):
        target = self.folder / "gradients.safetensors"
        output = self.command("bench", "gradients", "--rows", "0,1,2,3", "--json", out=target, beta=BETA, treg_alpha=ALPHA)
        return json.loads(output.splitlines()[-1])["loss"], load_file(target)

    def train(self, name, *words, steps=STEPS, **more):
        out = self.folder / name
        self.command(
            "train", *words, out=out, beta=BETA, treg_alpha=ALPHA, learning_rate=RATE, lr_scheduler_type="constant",
            warmup_ratio=0, global_batch_size=1, max_steps=steps, seed=SEED, rewards=self.folder / "rewards", **more)
        return out


def sides_of(row):
    return (row, "chosen"), (row, "rejected")


def pair_loss(model, records, truth, row):
    (chosen, rejected) = sides_of(row)
    current = [log_probabilities(model, records[side]["prompt_tokens"], records[side]["tokens"]) for side in (chosen, rejected)]
    return regularized_dpo(
        *current, truth[chosen]["reference"], truth[rejected]["reference"], truth[chosen]["rewards"],
        truth[rejected]["rewards"], BETA, ALPHA)["loss"]


def check(variant, resumes):
    records = variant.records()
    rows = 1 + max(row for row, _ in records)
    model = load(variant.model)
    figures = {"tokens": max(len(record["worse_prompt_tokens"]) + len(record["tokens"]) for record in records.values())}
    with exact():
        truth = {}
        with torch.no_grad():
            for key, record in records.items():
                found = {
                    name: log_probabilities(model, record[f"{prefix}prompt_tokens"], record["tokens"])
                    for name, prefix in (("reference", ""), ("better", "better_"), ("worse", "worse_"))
                }
                truth[key] = found | {"rewards": 0.5 * torch.tanh(0.5 * (found["better"] - found["worse"]))}

        def largest(*names):
            return max(
                (torch.tensor(records[key][f"{name}_logprobs" if name != "rewards" else name], dtype=torch.float64)
                 - values[name]).abs().max().item()
                for key, values in truth.items() for name in names)

        figures["log-probs"] = largest("reference", "better", "worse")
        figures["rewards"] = largest("rewards")
        figures["spread"] = torch.cat([values["reference"] for values in truth.values()]).std().item()

        loss, gradients = variant.gradients()
        total = sum(pair_loss(model, records, truth, row) for row in range(rows)) / rows
        total.backward()
        figures["loss"] = abs(loss - total.item()) / abs(total.item())
        errors = {}
        for name, parameter in model.named_parameters():
            norm = parameter.grad.norm().item()
            difference = gradients[name].double() - parameter.grad
            errors[name] = difference.norm().item() / norm if norm else math.inf
        missing = set(gradients) ^ set(errors)
        if missing:
            raise CommandFailure(f"tensors on one side only: {sorted(missing)}")
        figures["worst gradient"] = max(errors.values())
        figures["median gradient"] = statistics.median(errors.values())
        figures["worst tensor"] = max(errors, key=errors.get)

        trained = variant.train("trained")
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
        for row in epoch_order(rows, SEED, 0)[:STEPS]:
            optimizer.zero_grad(set_to_none=True)
            pair_loss(model, records, truth, row).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        found, info = AutoModelForCausalLM.from_pretrained(
            trained, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
        left = {key: value for key, value in info.items() if value}
        if left:
            raise CommandFailure(f"the trained folder does not open whole: {left}")
        found = forgetful(found.double().eval())
        with torch.no_grad():
            after = [
                tuple(log_probabilities(one, record["prompt_tokens"], record["tokens"]) for one in (found, model))
                for record in records.values()
            ]
        figures["trained"] = max((left - right).abs().max().item() for left, right in after)
        figures["moved"] = max(
            (right - truth[key]["reference"]).abs().max().item() for key, (_, right) in zip(records, after))
    if resumes:
        whole = variant.train("whole", save_steps=1, save_total_limit=5)
        shutil.copytree(whole, variant.folder / "again")
        for step in range(2, STEPS + 1):
            shutil.rmtree(variant.folder / "again" / f"checkpoint-{step}", ignore_errors=True)
        again = variant.train("again", "--resume", save_steps=1, save_total_limit=5)
        for name in ("model.safetensors",):
            if (whole / name).read_bytes() != (again / name).read_bytes():
                raise CommandFailure(f"a resumed run ends with another {name}")
        if (whole / "model.safetensors").read_bytes() != (trained / "model.safetensors").read_bytes():
            raise CommandFailure("a run with checkpoints ends with other weights than one without")
    return figures


def main():
    parser = argparse.ArgumentParser(description="treg against PyTorch, one random model of every architecture")
    parser.add_argument("names", nargs="*", help="variants; all when none is named")
    parser.add_argument("--treg", default=str(Path(__file__).resolve().parents[2] / ".build" / "release" / "treg"))
    parser.add_argument("--keep", help="a folder that keeps models and runs")
    options = parser.parse_args()
    unknown = set(options.names) - set(VARIANTS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(VARIANTS)}")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    good = True
    with tempfile.TemporaryDirectory(prefix="treg-architectures-") as scratch:
        root = Path(options.keep or scratch)
        root.mkdir(parents=True, exist_ok=True)
        data = root / "pairs.jsonl"
        data.write_text("".join(json.dumps(pair) + "\n" for pair in pairs()))
        texts = [message["content"] for pair in pairs() for turns in pair.values() for message in turns]
        columns = list(TOLERANCES)
        print(f"{'':<14}{'tokens':>7}{'spread':>8}" + "".join(f"{name:>16}" for name in columns) + f"{'moved':>8}  worst tensor")
        for index, (name, (kind, settings)) in enumerate(VARIANTS.items()):
            if options.names and name not in options.names:
                continue
            folder = root / name
            shutil.rmtree(folder, ignore_errors=True)
            write_model(folder / "model", kind, settings, seed=100 + index)
            write_tokenizer(folder / "model", texts)
            try:
                figures = check(Variant(options.treg, folder, data), resumes=name in RESUMED)
            except CommandFailure as failure:
                print(f"{name:<14}{failure}", flush=True)
                good = False
                continue
            out = [column for column in columns if not figures[column] <= TOLERANCES[column]]
            good = good and not out
            print(
                f"{name:<14}{figures['tokens']:>7}{figures['spread']:>8.2f}"
                + "".join(f"{figures[column]:>16.1e}" for column in columns)
                + f"{figures['moved']:>8.3f}  {figures['worst tensor']}" + (f"  OUT: {', '.join(out)}" if out else ""), flush=True)
            if not options.keep:
                shutil.rmtree(folder)
        print("all within tolerance" if good else "OUT of tolerance", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
