"""Whole training runs of `treg train` beside those of TRL's trainers: same model, rows, order, schedule and optimizer.

    python Tests/Oracles/check_trl_runs.py --treg .build/release/treg [CASE …]

A random Llama (4 layers, width 64) is saved by transformers with a byte-level tokenizer and a chat template that ends turns with
the end token. Every case of CASES trains it twice, in fp32: by TRL's DPOTrainer, CPOTrainer or ORPOTrainer, whose sampler is
given treg's documented order of rows, and by the program. Compared are all lines of metrics and the saved weights:

    loss          largest relative difference of a step; over a tenth of the run's largest loss where it passes through 0
    grad_norm     largest relative difference, before clipping
    rewards       largest difference of rewards/chosen, rewards/rejected and rewards/margins, over the largest of them in the run
    logps         largest relative difference of logps/chosen and logps/rejected
    accuracies    largest difference of rewards/accuracies, from the first step on which policy and reference differ
    schedule      largest relative difference of learning_rate; epoch, num_tokens and the number of lines must be equal
    evaluation    largest relative difference of eval_loss, eval_logps/… and eval_rewards/…, where the case has held-out rows
    weights       2-norm of the difference over that of TRL's change, the worst tensor and the median one, as in parity_real.py

Where treg differs from TRL by intention, the case is cut so that both compute the same:
- TRL scores what a template writes after the end of a turn; treg does not. The template here writes nothing there.
- When tokens merge over the end of the prompt on one side alone, TRL scores the last token of the prompt on the other side, too.
  Rows here keep prompts and responses apart.
- `sigmoid` has had no label smoothing in TRL since 1.0; smoothing is compared with CPOTrainer, `robust` and `exo_pair`.
- `sft` (and CPO's likelihood) is a mean over the tokens of a device's batch in TRL, and over pairs of each pair's mean here: such cases
  have one row a batch, accumulated. For the same reason a short last batch goes without accumulation, which TRL does not weigh.
- ORPOTrainer takes the likelihood over the prompt, too; here it is made the response's, as in the paper. Its and SimPO's logps are means
  per token, so they are left out.
- Where policy and reference are the same, TRL computes both in the same batch and finds margins of exactly 0, thus accuracies of 0.
  Treg's reference was scored before, alone, and margins are rounding: accuracies count from the first update on.
- `aot` and `aot_unpaired` sort the pairs of a device's batch; treg refuses them.

Prints a table; exit codes: 0 within TOLERANCES, 1 out of them, 66 no such program, 70 a command failed.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path

os.environ["TQDM_DISABLE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRL_USE_TELEMETRY"] = "0"

import datasets
import torch
import transformers
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file
from torch.utils.data import Sampler
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from architectures_golden import rope
from check_architectures import CommandFailure, run, words, write_model, write_tokenizer
from epoch_orders import order as epoch_order

ROOT = Path(__file__).resolve().parent.parent.parent
ROWS, HELD, SEED, LEARNING_RATE = 24, 6, 42, 2e-3

TOLERANCES = {
    "loss": 1e-5,
    "grad_norm": 1e-4,
    "rewards": 1e-4,
    "logps": 1e-5,
    "accuracies": 0,
    "schedule": 1e-12,
    "evaluation": 1e-4,
    "worst weight": 3e-2,
    "median weight": 2e-3,
}

# Shows tools and obeys a keyword, as templates of models that think do.
TEMPLATE = (
    "<|begin|>{% if tools %}{{ '<|turn|>tools\n' + (tools | tojson) + '<|end|>' }}{% endif %}"
    "{% for message in messages %}{{ '<|turn|>' + message['role'] + '\n' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|turn|>assistant\n' }}{% endif %}"
).replace(
    "{{ '<|turn|>' + message['role'] + '\n' + message['content'] + '<|end|>' }}",
    "{{ '<|turn|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' and enable_thinking is defined and enable_thinking is false %}"
    "{{ '(none)\n' }}{% endif %}{{ message['content'] + '<|end|>' }}",
).replace(
    "{{ '<|turn|>assistant\n' }}",
    "{{ '<|turn|>assistant\n' }}{% if enable_thinking is defined and enable_thinking is false %}{{ '(none)\n' }}{% endif %}",
)


# Rows, in the forms that TRL documents.

def turn(role, content):
    return {"role": role, "content": content}


def texts(count):
    """Prompt, chosen, rejected; lengths so mixed that every batch is padded."""
    generator = random.Random(11)
    for _ in range(count):
        yield [words(generator, generator.randint(4, 24)) for _ in range(3)]


def conversational(index, prompt, chosen, rejected):
    start = [turn("system", "Answer."), turn("user", "Well?"), turn("assistant", "Yes.")] if index % 3 == 0 else []
    return {
        "prompt": start + [turn("user", prompt)], "chosen": [turn("assistant", chosen)],
        "rejected": [turn("assistant", rejected)]}


def standard(_, prompt, chosen, rejected):
    return {"prompt": prompt, "chosen": " " + chosen, "rejected": " " + rejected}


def implicit(index, *row):
    row = conversational(index, *row)
    return {side: row["prompt"] + row[side] for side in ("chosen", "rejected")}


def implicit_standard(_, prompt, chosen, rejected):
    return {"chosen": prompt + " A: " + chosen, "rejected": prompt + " B: " + rejected}


def with_tools(index, *row):
    tool = {"type": "function", "function": {"name": f"look_{index % 4}", "description": row[0][:8]}}
    return {**conversational(index, *row), "tools": json.dumps([tool]) if index % 2 else None}


def with_template_kwargs(index, *row):
    return {**conversational(index, *row), "chat_template_kwargs": {"enable_thinking": index % 2 == 0}}


@dataclass
class Case:
    """Settings of TRL, and those of treg where they differ."""

    trl: dict = field(default_factory=dict)
    treg: dict = field(default_factory=dict)
    trainer: str = "dpo"
    rows: object = conversational
    count: int = ROWS
    batch: int = 8
    accumulation: int = 1
    epochs: float = 3
    evaluates: bool = False
    adapter: bool = False
    leaves_out: tuple = ()


LINEAR = {"lr_scheduler_type": "linear", "warmup_steps": 2}
COSINE = {"lr_scheduler_type": "cosine", "warmup_steps": 2}
CONSTANT = {"lr_scheduler_type": "constant"}

CASES = {
    # Forms of rows, schedules, batches.
    "conversational": Case(LINEAR),
    "standard": Case(COSINE, rows=standard),
    # Adam's first step is the sign of each gradient, at full rate here: with its usual ε, of those that are rounding, too.
    "implicit prompt": Case({**LINEAR, "warmup_steps": 0, "adam_epsilon": 1e-5}, rows=implicit),
    "implicit text": Case({**COSINE, "warmup_steps": 0.3}, rows=implicit_standard),
    "tools": Case(COSINE, rows=with_tools),
    "template kwargs": Case(LINEAR, rows=with_template_kwargs),
    "accumulation": Case(COSINE, accumulation=2),
    "accumulation of 8": Case({"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 3}, accumulation=8, epochs=2),
    "short last batch": Case(LINEAR, count=22, epochs=2.5),
    "max_length": Case({**LINEAR, "max_length": 40}, rows=standard),
    "decay, betas, clip": Case(
        {**COSINE, "weight_decay": 0.1, "adam_beta1": 0.8, "adam_beta2": 0.95, "adam_epsilon": 1e-6, "max_grad_norm": 0.05}),
    "evaluation": Case(LINEAR, evaluates=True),
    "adapter": Case(CONSTANT, adapter=True),
    # Losses.
    "robust": Case({**LINEAR, "loss_type": "robust", "label_smoothing": 0.1}),
    "hinge": Case({**COSINE, "loss_type": "hinge"}),
    "ipo": Case({**LINEAR, "loss_type": "ipo"}, accumulation=2),
    "exo_pair": Case({**COSINE, "loss_type": "exo_pair", "label_smoothing": 1e-3}),
    "nca_pair": Case({**LINEAR, "loss_type": "nca_pair"}),
    "bco_pair": Case({**COSINE, "loss_type": "bco_pair"}, accumulation=2),
    "sppo_hard": Case({**LINEAR, "loss_type": "sppo_hard"}),
    "apo_zero": Case({**COSINE, "loss_type": "apo_zero"}),
    "apo_down": Case({**LINEAR, "loss_type": "apo_down"}, accumulation=2),
    # The default τ, 0.05, multiplies rounding by 20 at every step: TRL's own losses in fp32 and fp64 then differ by 1.4e-5.
    "discopop": Case({**COSINE, "loss_type": "discopop", "discopop_tau": 0.5}),
    "sigmoid_norm": Case({**LINEAR, "loss_type": "sigmoid_norm", "beta": 2.0}),
    "sigmoid, sft": Case({**COSINE, "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.2]}, accumulation=8),
    "sigmoid, bco, sft": Case(
        {**LINEAR, "loss_type": ["sigmoid", "bco_pair", "sft"], "loss_weights": [0.8, 0.2, 1.0]}, accumulation=8),
    "hinge, apo_zero": Case({**COSINE, "loss_type": ["hinge", "apo_zero"]}),
    "use_weighting": Case({**LINEAR, "use_weighting": True}),
    "ld_alpha": Case({**COSINE, "ld_alpha": 0.3}, leaves_out=("logps",)),
    # Trainers without a reference.
    "simpo": Case(
        {**LINEAR, "loss_type": "simpo", "cpo_alpha": 0.0, "simpo_gamma": 0.5, "beta": 2.0},
        {"cpo_alpha": None}, trainer="cpo", leaves_out=("logps",)),
    "cpo": Case({**COSINE, "loss_type": "sigmoid", "cpo_alpha": 1.0}, {"loss_type": "cpo"}, trainer="cpo", accumulation=8),
    "cpo, smoothed": Case(
        {**LINEAR, "loss_type": "sigmoid", "cpo_alpha": 0.0, "label_smoothing": 0.1}, {"loss_type": "cpo"}, trainer="cpo"),
    "orpo": Case({**COSINE, "beta": 0.2}, {"loss_type": "orpo"}, trainer="orpo", leaves_out=("logps",)),
}


# TRL's side.

class EpochOrder(Sampler):
    """Treg's permutation of every epoch; each time it is gone through counts as one."""

    def __init__(self, count):
        self.count, self.epoch = count, 0

    def __len__(self):
        return self.count

    def __iter__(self):
        self.epoch += 1
        return iter(epoch_order(self.count, SEED, self.epoch - 1))


class Ordered:
    def _get_train_sampler(self, train_dataset=None):
        return EpochOrder(len(train_dataset if train_dataset is not None else self.train_dataset))


class OrderedDPO(Ordered, DPOTrainer):
    pass


class OrderedCPO(Ordered, CPOTrainer):
    pass


class OrderedORPO(Ordered, ORPOTrainer):
    def concatenated_forward(self, model, batch):
        chosen, rejected, chosen_logits, rejected_logits, _ = super().concatenated_forward(model, batch)
        return chosen, rejected, chosen_logits, rejected_logits, -chosen.mean()


TRAINERS = {"dpo": (OrderedDPO, DPOConfig), "cpo": (OrderedCPO, CPOConfig), "orpo": (OrderedORPO, ORPOConfig)}


class Recorder(TrainerCallback):
    """What the trainer logs, unrounded."""

    def __init__(self):
        self.lines, self.evaluations = [], []

    def on_log(self, args, state, control, logs=None, **_):
        if "loss" in logs:
            self.lines.append(dict(logs))
        elif "eval_loss" in logs:
            self.evaluations.append({**logs, "step": state.global_step})


def trained_weights(policy):
    """What trains, by the names of the saved files, as copies in fp64."""
    named = get_peft_model_state_dict(policy) if isinstance(policy, PeftModel) else dict(policy.named_parameters())
    return {name: parameter.detach().double() for name, parameter in named.items()}


def train_trl(case, model, rows, held, out):
    """Metrics lines, evaluations and trained weights."""
    trainer_class, config_class = TRAINERS[case.trainer]
    arguments = config_class(
        output_dir=str(out), per_device_train_batch_size=case.batch // case.accumulation,
        gradient_accumulation_steps=case.accumulation, num_train_epochs=case.epochs, logging_steps=1,
        per_device_eval_batch_size=HELD // 2, eval_strategy="steps" if case.evaluates else "no", eval_steps=4,
        save_strategy="no", report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False, disable_tqdm=True,
        seed=SEED, remove_unused_columns=case.trainer == "dpo", **{"learning_rate": LEARNING_RATE, **case.trl})
    policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager")
    if case.adapter:
        policy = PeftModel.from_pretrained(policy, f"{model}-adapter", is_trainable=True)
    start = trained_weights(policy)
    recorder = Recorder()
    trainer = trainer_class(
        model=policy, args=arguments, train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(held) if case.evaluates else None,
        processing_class=AutoTokenizer.from_pretrained(model), callbacks=[recorder])
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    changes = {name: value - start[name] for name, value in trained_weights(policy).items()}
    return recorder.lines, recorder.evaluations, start, changes


# Treg's side.

def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def train_treg(treg, case, model, rows, held, out):
    data = write_rows(out.with_suffix(".jsonl"), rows)
    settings = {
        "model": f"{model}-adapter" if case.adapter else model, "use_peft": case.adapter, "data": data, "out": out, "learning_rate": LEARNING_RATE, "warmup_ratio": 0, "weight_decay": 0,
        "global_batch_size": case.batch, "num_train_epochs": case.epochs, "seed": SEED, "treg_alpha": 0, "threads": 1,
        "max_length": 1024,
        **case.trl, **case.treg}
    if "warmup_steps" in settings:
        del settings["warmup_ratio"]
    if case.evaluates:
        settings |= {"eval_data": write_rows(out.with_suffix(".held.jsonl"), held), "eval_steps": 4}
    flags = []
    for key, value in settings.items():
        if value is not None:
            values = value if isinstance(value, list) else [value]
            flags += [f"--{key}", *(str(part).lower() if isinstance(part, bool) else part for part in values)]
    run(treg, "train", *flags)
    lines = [json.loads(line) for line in (out / "run" / "metrics.jsonl").read_text().splitlines()]
    evaluations = [line for line in lines if "eval_loss" in line]
    return [line for line in lines if "loss" in line], evaluations, load_file(out / f"{'adapter_' if case.adapter else ''}model.safetensors")


# Both.

def relative(found, expected):
    return abs(found - expected) / max(abs(expected), 1e-300) if found != expected else 0.0


def compare(case, ours, theirs):
    lines, evaluations, weights = ours
    expected, expected_evaluations, start, changes = theirs
    if len(lines) != len(expected):
        raise CommandFailure(f"{len(lines)} steps, TRL has {len(expected)}")
    figures = {"steps": len(lines), "first loss": expected[0]["loss"], "last loss": expected[-1]["loss"]}

    def worst(*names, measure=relative, pairs=list(zip(lines, expected))):
        return max(measure(mine[name], theirs[name]) for mine, theirs in pairs for name in names)

    floor = max(abs(line["loss"]) for line in expected) / 10
    figures["loss"] = worst("loss", measure=lambda a, b: abs(a - b) / max(abs(b), floor))
    figures["grad_norm"] = worst("grad_norm")
    rewards = ("rewards/chosen", "rewards/rejected", "rewards/margins")
    scale = max(abs(line[name]) for line in expected for name in rewards)
    figures["rewards"] = worst(*rewards, measure=lambda a, b: abs(a - b) / scale)
    if "logps" not in case.leaves_out:
        figures["logps"] = worst("logps/chosen", "logps/rejected")
    moved = next(index for index, line in enumerate(expected) if line["learning_rate"] > 0) + 1
    figures["accuracies"] = worst(
        "rewards/accuracies", measure=lambda a, b: 0 if abs(a - b) < 1e-6 else abs(a - b),
        pairs=list(zip(lines, expected))[0 if case.trainer != "dpo" else moved:])
    figures["schedule"] = worst("learning_rate")
    for mine, theirs in zip(lines, expected):
        if abs(mine["epoch"] - theirs["epoch"]) > 1e-9 or mine["num_tokens"] != theirs.get("num_tokens", mine["num_tokens"]):
            raise CommandFailure(f"step {mine['step']}: epoch, num_tokens {mine['epoch']}, {mine['num_tokens']}; TRL: {theirs}")
    if case.evaluates:
        steps = {line["step"]: line for line in evaluations}
        pairs = [(steps[line["step"]], line) for line in expected_evaluations]
        if not pairs:
            raise CommandFailure("TRL did not evaluate")
        names = ["eval_loss", *(f"eval_{name}" for name in ("logps/chosen", "logps/rejected", "rewards/accuracies", *rewards))]
        figures["evaluation"] = worst(*names, pairs=pairs)
    errors = {}
    for name, change in changes.items():
        found = weights[name].double() - start[name]
        errors[name] = (found - change).norm().item() / change.norm().item()
    figures["worst weight"] = max(errors.values())
    figures["median weight"] = statistics.median(errors.values())
    return figures


def make_model(folder, samples):
    write_model(folder, "llama", {"tie_word_embeddings": True, **rope(theta=10000.0)}, seed=5)
    write_tokenizer(folder, samples)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"]))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.05 * torch.randn_like(parameter))
    adapted.save_pretrained(f"{folder}-adapter")


def check(treg, case, model, folder, samples):
    made = [case.rows(index, *sample) for index, sample in enumerate(samples)]
    rows, held = made[: case.count], made[-HELD:]
    theirs = train_trl(case, model, rows, held, folder / "trl")
    ours = train_treg(treg, case, model, rows, held, folder / "treg")
    return compare(case, ours, theirs)


def main():
    parser = argparse.ArgumentParser(description="whole training runs of treg beside TRL's")
    parser.add_argument("names", nargs="*", metavar="CASE", help="cases; all when none is named")
    parser.add_argument("--treg", default=str(ROOT / ".build" / "release" / "treg"))
    parser.add_argument("--keep", help="a folder that keeps model, rows and runs")
    options = parser.parse_args()
    unknown = set(options.names) - set(CASES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(CASES)}")
    if not os.access(options.treg, os.X_OK):
        print(f"{options.treg}: no such program; build it first", file=sys.stderr)
        return 66
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity_error()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    good = True
    with tempfile.TemporaryDirectory(prefix="treg-trl-") as scratch:
        base = Path(options.keep or scratch).resolve()
        base.mkdir(parents=True, exist_ok=True)
        samples = list(texts(ROWS + HELD))
        make_model(base / "model", [text for sample in samples for text in sample])
        columns = list(TOLERANCES)
        head = "".join(f"{name:>14}" for name in columns)
        print(f"{'':<20}{'steps':>6}{'loss from':>11}{'to':>9}{head}")
        print(f"{'tolerance':<20}{'':>26}" + "".join(f"{TOLERANCES[name]:>14.0e}" for name in columns), flush=True)
        for name, case in CASES.items():
            if options.names and name not in options.names:
                continue
            folder = base / name.replace(", ", "-").replace(" ", "-")
            folder.mkdir(exist_ok=True)
            try:
                figures = check(options.treg, case, base / "model", folder, samples)
            except CommandFailure as failure:
                print(f"{name:<20}{failure}", flush=True)
                good = False
                continue
            out = [column for column in columns if column in figures and not figures[column] <= TOLERANCES[column]]
            good = good and not out
            print(
                f"{name:<20}{figures['steps']:>6}{figures['first loss']:>11.4f}{figures['last loss']:>9.4f}"
                + "".join(f"{figures[column]:>14.1e}" if column in figures else f"{'–':>14}" for column in columns)
                + (f"  OUT: {', '.join(out)}" if out else ""), flush=True)
        print("all within tolerance" if good else "OUT of tolerance", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
