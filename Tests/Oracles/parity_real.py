"""Parity on the real model, SmolLM2-135M-Instruct: treg against PyTorch + transformers, one sequence per call, fp64 as the truth.

    python Tests/Oracles/parity_real.py --treg .build/release/treg --model SmolLM2-135M-Instruct.Q4_1.gguf [--data FILE.jsonl]
    python Tests/Oracles/parity_real.py --model … --self-test        fp32 PyTorch in treg's place: what fp32 itself costs

The model is a GGUF file, which PyTorch's side dequantises by itself, or a Hugging Face folder. Data: --data, else
../shared/data/alpaca_pairs.jsonl when it is there, else demo/held_out.jsonl. Of it the five rows are used whose texts are
shortest (the file's order breaks ties and is kept).

What treg runs, all in a scratch folder (--keep keeps it):
    treg rewards          --jsonl, template `turn`: token ids of both responses and of both contrastive prompts, log-probs, rewards
    treg bench gradients  loss and every gradient of one batch of all five rows, as safetensors by Hugging Face name
    treg train            five AdamW steps of one row each: lr 1e-5, β 0.1, α 0.25, constant schedule, no weight decay, clip 1

PyTorch takes the token ids from the first (after checking prompt and responses against transformers' own template and
tokenizer) and makes everything else anew. The order in which training visits the rows is the documented permutation of the
seed, made by epoch_orders.py.

Checked, with the tolerance of each in TOLERANCES: log-probs, token rewards, loss, gradient tensors, weight changes. Exit codes:
0 all within, 1 out of tolerance or different tokens, 66 something is missing, 70 a command failed.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

# Before transformers is imported: it converts GGUF files under a progress bar of its own.
os.environ["TQDM_DISABLE"] = "1"

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

from epoch_orders import order as epoch_order
from llama_truth import decays, log_probabilities, make_exact, parameter_gradients, regularized_dpo

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = ROOT.parent / "shared" / "data" / "alpaca_pairs.jsonl"
ROWS = 5
SEED = 42
BETA, ALPHA, LEARNING_RATE = 0.1, 0.25, 1e-5

# The 2-norm of a difference over the 2-norm of the truth for tensors, the largest difference for numbers.
TOLERANCES = {
    "log-probs, largest difference": 2e-4,
    "token rewards, largest difference": 2e-4,
    "T-REG loss, relative": 2e-5,
    "gradients, worst tensor": 1e-3,
    "gradients, median tensor": 2e-4,
    "weight change after 5 steps, worst tensor": 3e-2,
    "weight change after 5 steps, median tensor": 2e-3,
}


class Failure(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def say(text):
    print(text, file=sys.stderr, flush=True)


def load_model(place, dtype):
    """The model in fp32 or exact fp64, out of a Hugging Face folder or a GGUF file."""
    path = Path(place)
    if path.is_dir():
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="sdpa")
    else:
        quantised = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
        settings = quantised.config.to_dict()
        settings.pop("quantization_config", None)
        model = LlamaForCausalLM._from_config(LlamaConfig(**settings), attn_implementation="sdpa").float()
        model.load_state_dict(quantised.state_dict())
        model.tie_weights()
    model = model.to(dtype).eval()
    return make_exact(model) if dtype == torch.float64 else model


def load_tokenizer(place):
    path = Path(place)
    return AutoTokenizer.from_pretrained(path) if path.is_dir() else AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)


def choose_rows(given, scratch):
    """Writes the shortest rows to a file of their own; returns its path and the rows."""
    path = Path(given) if given else SHARED if SHARED.exists() else ROOT / "demo" / "held_out.jsonl"
    if not path.exists():
        raise Failure(66, f"{path}: no such data file")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    shortest = sorted(sorted(range(len(lines)), key=lambda index: (len(lines[index]), index))[:ROWS])
    target = scratch / "rows.jsonl"
    target.write_text("".join(lines[index] + "\n" for index in shortest), encoding="utf-8")
    print(f"rows {', '.join(map(str, shortest))} of {path.name}")
    return target, [json.loads(lines[index]) for index in shortest]


def as_messages(value, role):
    return [{"role": role, "content": value}] if isinstance(value, str) else value


def expected_tokens(tokenizer, row, side):
    """Prompt and response ids by transformers; the response ends with the end-of-turn token."""
    messages = as_messages(row["prompt"], "user")
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    prompt = tokenizer(text, add_special_tokens=False).input_ids
    response = as_messages(row[side], "assistant")
    full = tokenizer.apply_chat_template(messages + response, tokenize=False)
    tokens = tokenizer(full, add_special_tokens=False).input_ids
    assert tokens[: len(prompt)] == prompt, "the template's prompt is no prefix of the conversation"
    tokens = tokens[len(prompt) :]
    return prompt, tokens[: len(tokens) - tokens[::-1].index(tokenizer.eos_token_id)]


def token_rewards(better, worse):
    """r̂ = σ(better − worse) − ½ = ½ tanh((better − worse) / 2)."""
    return 0.5 * torch.tanh(0.5 * (better - worse))


class PyTorch:
    """The same work in PyTorch, in fp64 or fp32: scores, one batch's gradients, five training steps."""

    def __init__(self, place, dtype):
        self.dtype = dtype
        self.model = load_model(place, dtype)

    def score(self, records):
        """Log-probs and rewards for the token ids of the records."""
        with torch.no_grad():
            for record in records:
                values = {}
                for name, key in (("reference", "prompt"), ("better", "better_prompt"), ("worse", "worse_prompt")):
                    values[name] = log_probabilities(self.model, record[f"{key}_tokens"], record["tokens"])
                yield {
                    **{f"{name}_logprobs": tensor for name, tensor in values.items()},
                    "rewards": token_rewards(values["better"], values["worse"]),
                }

    def pair_loss(self, records, scores, row):
        sides = {record["side"]: index for index, record in enumerate(records) if record["row"] == row}
        current = {
            side: log_probabilities(self.model, records[index]["prompt_tokens"], records[index]["tokens"])
            for side, index in sides.items()
        }
        chosen, rejected = scores[sides["chosen"]], scores[sides["rejected"]]
        return regularized_dpo(
            current["chosen"], current["rejected"], chosen["reference_logprobs"], rejected["reference_logprobs"],
            chosen["rewards"], rejected["rewards"], BETA, ALPHA,
        )

    def gradients(self, records, scores):
        """Mean loss over the rows and its gradients by name."""
        self.model.zero_grad(set_to_none=True)
        total = 0.0
        for row in range(ROWS):
            loss = self.pair_loss(records, scores, row)["loss"] / ROWS
            loss.backward()
            total += loss.item()
        return total, parameter_gradients(self.model)

    def train(self, records, scores, order):
        """The weights' change after one AdamW step per row, by name."""
        named = dict(self.model.named_parameters())
        start = {name: parameter.detach().clone() for name, parameter in named.items()}
        groups = [
            {"params": [p for n, p in named.items() if decays(n) == decayed], "weight_decay": 0.0} for decayed in (True, False)
        ]
        optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8)
        for row in order:
            optimizer.zero_grad(set_to_none=True)
            self.pair_loss(records, scores, row)["loss"].backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimizer.step()
        changes = {}
        with torch.no_grad():
            for name, parameter in named.items():
                changes[name] = parameter.detach() - start[name]
                parameter.copy_(start[name])
        return changes


class Treg:
    """The program under test, through its command line."""

    def __init__(self, program, model, rows, scratch):
        self.program, self.model, self.rows, self.scratch = program, model, str(rows), scratch

    def run(self, *arguments):
        command = [self.program, *arguments, "--model", self.model, "--data", self.rows]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if result.returncode != 0:
            raise Failure(70, f"exit code {result.returncode}: {' '.join(command)}\n{result.stderr.strip()[-2000:]}")
        return result.stdout

    def records(self):
        folder = self.scratch / "rewards"
        self.run("rewards", "--out", str(folder), "--treg_template", "turn", "--jsonl")
        records = [json.loads(line) for path in sorted(folder.rglob("*.jsonl")) for line in path.read_text().splitlines()]
        found = {(record["row"], record["side"]) for record in records}
        expected = {(row, side) for row in range(ROWS) for side in ("chosen", "rejected")}
        if found != expected or len(records) != len(expected):
            raise Failure(70, f"treg rewards --jsonl: expected one object for each of {sorted(expected)}, found {sorted(found)}")
        return sorted(records, key=lambda record: (record["row"], record["side"]))

    def gradients(self):
        target = self.scratch / "gradients.safetensors"
        rows = ",".join(map(str, range(ROWS)))
        settings = ["--beta", str(BETA), "--treg_alpha", str(ALPHA), "--treg_template", "turn"]
        output = self.run("bench", "gradients", "--rows", rows, *settings, "--out", str(target), "--json")
        result = json.loads([line for line in output.splitlines() if line.startswith("{")][-1])
        return result["loss"], load_file(target)

    def train(self):
        """The trained folder and what the metrics say of every step."""
        folder = self.scratch / "train"
        settings = {
            "out": folder, "loss_type": "dpo", "beta": BETA, "treg_alpha": ALPHA, "treg_template": "turn",
            "learning_rate": LEARNING_RATE, "lr_scheduler_type": "constant", "warmup_ratio": 0, "weight_decay": 0,
            "max_grad_norm": 1, "global_batch_size": 1, "max_steps": ROWS, "save_dtype": "float32", "seed": SEED,
        }
        self.run("train", *(part for key, value in settings.items() for part in (f"--{key}", str(value))))
        metrics = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
        return folder, [entry for entry in metrics if "loss" in entry]


def order_of(steps, records):
    """Which row every training step saw: the documented permutation of the seed, held against the first step's log-probs."""
    order = epoch_order(ROWS, SEED, 0)
    if len(steps) != ROWS:
        raise Failure(70, f"the metrics show {len(steps)} steps, expected {ROWS}")
    for side in ("chosen", "rejected"):
        start = sum(next(r for r in records if (r["row"], r["side"]) == (order[0], side))["reference_logprobs"])
        if abs(steps[0][f"logps/{side}"] - start) > 1e-2:
            raise Failure(70, f"the first step did not train on row {order[0]}")
    return order


def saved_change(folder, start):
    """Saved weights minus the starting ones, by name, in fp64."""
    changes = {}
    for path in sorted(Path(folder).glob("model*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():
                if name in start:
                    changes[name] = file.get_tensor(name).double() - start[name]
    return changes


def relative_errors(found, truth):
    """‖found − truth‖ / ‖truth‖ for every tensor; every name must be there with its shape."""
    missing = sorted(set(truth) - set(found))
    if missing:
        raise Failure(70, f"{len(missing)} tensors are missing, the first is {missing[0]}")
    errors = {}
    for name, expected in truth.items():
        norm = expected.double().norm().item()
        errors[name] = (found[name].double() - expected.double()).norm().item() / norm if norm else math.inf
    return errors


def check_tokens(records, rows, tokenizer):
    """Treg's ids against transformers'; the contrastive prompts of `turn` go on from prompt and response."""
    for record in records:
        prompt, tokens = expected_tokens(tokenizer, rows[record["row"]], record["side"])
        place = f"row {record['row']} {record['side']}"
        if record["prompt_tokens"] != prompt or record["tokens"] != tokens:
            raise Failure(1, f"{place}: token ids differ from transformers'")
        for name in ("better_prompt_tokens", "worse_prompt_tokens"):
            if record[name][: len(prompt) + len(tokens)] != prompt + tokens:
                raise Failure(1, f"{place}: {name} does not start with the prompt and the response")
        if record["better_prompt_tokens"] == record["worse_prompt_tokens"]:
            raise Failure(1, f"{place}: both contrastive prompts are the same")


def own_records(rows, tokenizer):
    """Records for the self-test: our own two requests in the place of treg's template."""
    requests = {"better": "Revise it to be more helpful and correct.", "worse": "Revise it to be more unhelpful and incorrect."}
    for index, row in enumerate(rows):
        for side in ("chosen", "rejected"):
            prompt, tokens = expected_tokens(tokenizer, row, side)
            record = {"row": index, "side": side, "prompt_tokens": prompt, "tokens": tokens}
            for name, request in requests.items():
                text = f"\n<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n"
                record[f"{name}_prompt_tokens"] = prompt + tokens + tokenizer(text, add_special_tokens=False).input_ids
            yield record


def self_test(options, rows, tokenizer, scratch):
    """What fp32 PyTorch gives, in the form of treg's results."""
    peer = PyTorch(options.model, torch.float32)
    records = list(own_records(rows, tokenizer))
    scores = list(peer.score(records))
    for record, score in zip(records, scores):
        record.update({name: values.tolist() for name, values in score.items()})
    loss, gradients = peer.gradients(records, scores)
    start = {name: parameter.detach().clone() for name, parameter in peer.model.named_parameters()}
    order = list(range(ROWS))
    change = peer.train(records, scores, order)
    trained = {name: start[name] + change[name] for name in start}
    (scratch / "train").mkdir()
    save_file(trained, scratch / "train" / "model.safetensors")
    return records, loss, gradients, scratch / "train", order


def of_treg(options, rows_path, scratch):
    program = Treg(options.treg, options.model, rows_path, scratch)
    records = program.records()
    loss, gradients = program.gradients()
    folder, steps = program.train()
    return records, loss, gradients, folder, order_of(steps, records)


def largest_difference(records, truth, names):
    return max(
        (torch.tensor(record[name], dtype=torch.float64) - score[name]).abs().max().item()
        for record, score in zip(records, truth) for name in names
    )


def compare(records, loss, gradients, folder, order, options):
    """Measured errors by the names of TOLERANCES, and the worst tensors for the report."""
    say("fp64 truth: scores")
    exact = PyTorch(options.model, torch.float64)
    truth = list(exact.score(records))
    measured = {
        "log-probs, largest difference": largest_difference(
            records, truth, ("reference_logprobs", "better_logprobs", "worse_logprobs")
        ),
        "token rewards, largest difference": largest_difference(records, truth, ("rewards",)),
    }
    say("fp64 truth: gradients")
    true_loss, true_gradients = exact.gradients(records, truth)
    measured["T-REG loss, relative"] = abs(loss - true_loss) / abs(true_loss)
    start = {name: parameter.detach().clone() for name, parameter in exact.model.named_parameters()}
    worst = {}

    def tensors(label, found, expected):
        errors = relative_errors(found, expected)
        worst[label] = max(errors, key=errors.get)
        measured[f"{label}, worst tensor"] = errors[worst[label]]
        measured[f"{label}, median tensor"] = statistics.median(errors.values())

    tensors("gradients", gradients, true_gradients)
    del true_gradients, gradients
    say("fp64 truth: five steps")
    true_change = exact.train(records, truth, order)
    tensors("weight change after 5 steps", saved_change(folder, start), true_change)
    return measured, worst


def report(measured, worst):
    """Prints the table; whether everything is within its tolerance."""
    good = True
    print(f"{'':<46}{'measured':>12}{'tolerance':>12}")
    for name, tolerance in TOLERANCES.items():
        within = measured[name] <= tolerance
        good = good and within
        print(f"{name:<46}{measured[name]:>12.2e}{tolerance:>12.1e}  {'ok' if within else 'OUT'}")
    for label, tensor in worst.items():
        print(f"worst of {label}: {tensor}")
    return good


def run(options, scratch):
    if not Path(options.model).exists():
        raise Failure(66, f"{options.model}: no such model")
    if not options.self_test and not os.access(options.treg, os.X_OK):
        raise Failure(66, f"{options.treg}: no such program; build it first, or use --self-test")
    rows_path, rows = choose_rows(options.data, scratch)
    tokenizer = load_tokenizer(options.model)
    results = self_test(options, rows, tokenizer, scratch) if options.self_test else of_treg(options, rows_path, scratch)
    check_tokens(results[0], rows, tokenizer)
    print(f"order of the training rows: {results[4]}")
    measured, worst = compare(*results, options)
    return 0 if report(measured, worst) else 1


def main():
    parser = argparse.ArgumentParser(description="treg against PyTorch on the real model")
    parser.add_argument("--treg", default=str(ROOT / ".build" / "release" / "treg"))
    parser.add_argument("--model", required=True, help="a GGUF file or a Hugging Face folder")
    parser.add_argument("--data")
    parser.add_argument("--threads", type=int, default=0, help="0: what PyTorch chooses")
    parser.add_argument("--keep", help="a folder that keeps what treg wrote")
    parser.add_argument("--self-test", action="store_true", help="fp32 PyTorch in the place of treg")
    options = parser.parse_args()
    disable_progress_bar()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        if options.keep:
            Path(options.keep).mkdir(parents=True)
            return run(options, Path(options.keep))
        with tempfile.TemporaryDirectory(prefix="treg-parity-") as scratch:
            return run(options, Path(scratch))
    except Failure as failure:
        say(f"parity: {failure}")
        return failure.code


if __name__ == "__main__":
    sys.exit(main())
