"""What the sections stand on: programs, data, models and rewards, each made when it is first asked for."""

import functools
import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

from .failure import Failure, say
from .jobs import Job, checked, last_json, start_of_run, steps_of_run
from .shallow_model import OperationCount, first_layers

SCRIPTS = Path(__file__).resolve().parent.parent
ROOT = SCRIPTS.parent
SHARED = ROOT.parent / "shared" / "data" / "alpaca_pairs.jsonl"
# Each a token of its own in common vocabularies, so that a text has about as many tokens as words.
WORDS = "the of and to in is that it was for on are as with they be at one have this from but not what all were when we there can".split()


def choose_data(given):
    if given:
        return Path(given)
    if SHARED.exists():
        return SHARED
    say(f"no {SHARED.name} beside the project: measuring on demo/train.jsonl, whose pairs are short")
    return ROOT / "demo" / "train.jsonl"


class Bench:
    def __init__(self, options, scratch):
        self.options = options
        self.scratch = Path(scratch)
        self.threads = options.threads or len(os.sched_getaffinity(0))
        self.environment = dict(
            os.environ, TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", TREG_CACHE=str(self.scratch / "cache"))
        self.data_file = choose_data(options.data)
        for path, what in ((self.data_file, "data file"), (Path(options.model), "model")):
            if not path.exists():
                raise Failure(66, f"{path}: no such {what}")
        if not (shutil.which(options.treg) or Path(options.treg).exists()):
            raise Failure(66, f"{options.treg}: no such program; build it first")

    # What is measured on

    def first_rows(self, count):
        """A file of the first rows: `treg train` and `treg rewards` take whole files."""
        path = self.scratch / f"rows-{count}.jsonl"
        if not path.exists():
            with open(self.data_file, encoding="utf-8") as file:
                lines = [line for line in file if line.strip()][:count]
            if len(lines) < count:
                raise Failure(64, f"{count} rows are asked for, {self.data_file} has {len(lines)}")
            path.write_text("".join(lines), encoding="utf-8")
        return path

    @functools.cached_property
    def data(self):
        return self.first_rows(self.options.rows)

    @functools.cached_property
    def folder(self):
        """A Hugging Face folder of the model, for the peers."""
        if self.options.peer_model:
            return Path(self.options.peer_model)
        if Path(self.options.model).is_dir():
            return Path(self.options.model)
        folder = self.scratch / "model"
        say(f"converting {self.options.model} for the peers")
        self.treg("convert", "--model", self.options.model, "--out", folder, "--dtype", "float32")
        return folder

    @functools.cached_property
    def rewards(self):
        """Finished token rewards of the rows, and their prompts as tokens."""
        if self.options.rewards:
            return Path(self.options.rewards)
        folder = self.scratch / "rewards"
        say("making token rewards")
        self.treg("rewards", "--model", self.options.model, "--data", self.data, "--out", folder, "--jsonl", *self.with_threads)
        return folder

    @functools.cached_property
    def records(self):
        """Prompts, responses and log-probs of every response, one JSON object a line."""
        found = sorted(self.rewards.glob("*.jsonl"))
        if len(found) != 1:
            raise Failure(66, f"{self.rewards}: expected one .jsonl file; make the rewards with treg rewards --jsonl")
        return found[0]

    @functools.cached_property
    def shallow(self):
        folder = self.scratch / "shallow"
        first_layers(self.folder, folder, self.options.long_layers)
        return folder

    @functools.cached_property
    def operations(self):
        return OperationCount(self.shallow)

    def long_row(self, length):
        """One pair of synthetic text with at most `length` tokens a side."""
        path = self.scratch / f"long-{length}.jsonl"
        words = random.Random(length)
        # A chat template may add some tens of tokens, of a system turn for one.
        def text(count):
            return " ".join(words.choices(WORDS, k=count))

        prompt, response = text(16), [text(max(1, length - 96)) for _ in range(2)]
        row = {"prompt": [{"role": "user", "content": prompt}]}
        for side, content in zip(("chosen", "rejected"), response):
            row[side] = [{"role": "assistant", "content": content}]
        path.write_text(json.dumps(row) + "\n")
        return path

    # Programs

    @functools.cached_property
    def python_modules(self):
        """Those of the peers' modules that their Python has."""
        names = ("torch", "transformers", "trl", "datasets")
        code = f"import importlib.util as u; print([n for n in {names!r} if u.find_spec(n)])"
        try:
            output, _ = checked([self.options.python, "-c", code], self.environment)
        except Failure:
            return set()
        return set(re.findall(r"\w+", output))

    def missing(self, *names):
        """What a section cannot do without and is not here; None when all is there."""
        absent = [name for name in names if name not in self.python_modules]
        return f"{self.options.python} has no {', '.join(absent)}" if absent else None

    @property
    def missing_mpi(self):
        return None if shutil.which("mpirun") else "there is no mpirun"

    @property
    def with_threads(self):
        return ["--threads", str(self.threads)]

    def treg(self, *words):
        return checked([self.options.treg, *words], self.environment)

    def mpirun(self, ranks):
        environment = dict(self.environment)
        if os.geteuid() == 0:
            # Open MPI starts nothing for root unless told twice; MPICH does not care.
            environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        version = subprocess.run(["mpirun", "--version"], capture_output=True, text=True, env=environment).stdout
        binding = ["--bind-to", "none"] if "Open MPI" in version else ["-bind-to", "none"]
        return ["mpirun", *binding, "-np", str(ranks)], environment

    # Jobs

    def step_words(self, *more, data=None, rows=None, batch=None, model=None, warmup=None):
        return [
            self.options.treg, "bench", "step", "--json", "--model", model or self.options.model, "--data", data or self.data,
            "--rows", rows or self.options.rows, "--batch", batch or self.options.global_batch,
            "--warmup", self.options.warmup if warmup is None else warmup, *more,
        ]

    def step(self, key, label, *more, **what):
        words = [*self.step_words(*more, **what), *self.with_threads]
        return Job(key, label, lambda: last_json(words, self.environment))

    def dpo(self):
        # The peers train plain DPO: no token rewards here either.
        return self.step("treg-dpo", "treg, DPO", "--treg_alpha", "0")

    def reg(self, template):
        return self.step(f"treg-reg-{template}", f"treg, DPO-REG, rewards by {template}", "--treg_template", template)

    def divided_dpo(self, ranks):
        threads = max(1, self.threads // ranks)
        launch, environment = self.mpirun(ranks)
        words = [*launch, *self.step_words("--treg_alpha", "0"), "--threads", threads]
        return Job(f"treg-{ranks}-ranks", f"treg, DPO, {ranks} ranks × {threads}", lambda: last_json(words, environment))

    def collectives(self, ranks):
        launch, environment = self.mpirun(ranks)
        words = [*launch, self.options.treg, "bench", "collectives", "--json"]

        def measure():
            entries = last_json(words, environment)
            return {"seconds": sum(entry["seconds"] for entry in entries), "entries": entries}

        return Job("collectives", f"collectives of {ranks} ranks", measure)

    def train_words(self, *more):
        return [
            self.options.treg, "train", "--model", self.options.model, "--data", self.data, *more, *self.with_threads,
        ]

    def reg_finished(self):
        words = self.train_words(
            "--rewards", self.rewards, "--global-batch-size", self.options.global_batch, "--logging-steps", "1",
            "--num-train-epochs", 2 if self.options.warmup else 1)
        return Job(
            "treg-reg-finished", "treg, DPO-REG, rewards finished",
            lambda: steps_of_run(words, self.environment, self.scratch, epochs=2 if self.options.warmup else 1))

    def start(self):
        words = self.train_words("--rewards", self.rewards, "--global-batch-size", "1")
        # The first of all reads the rows into the token cache.
        self.treg(*words[1:], "--out", self.scratch / "none", "--dry-run")

        def measure():
            return start_of_run(words, self.environment, self.scratch)

        return Job("start", "treg train, start to first step", measure)

    def long(self, length):
        words = self.step_words(
            "--treg_alpha", "0", "--max-length", length, *self.with_threads, data=self.long_row(length), rows=1, batch=1,
            model=self.shallow, warmup=0)

        def measure():
            run = last_json(words, self.environment)
            if run["tokens"] > 2 * length or run["tokens"] < 1.5 * length:
                raise Failure(70, f"the row of {length} tokens a side has {run['tokens']} in all: another vocabulary than expected")
            return run

        return Job(f"long-{length}", f"treg, {length} tokens a side", measure)

    def peer(self, key, label, script, *words, family, batch):
        command = [self.options.python, SCRIPTS / script, "--model", self.folder, "--rows", self.options.rows]
        command += ["--batch-size", batch, *words, *self.with_threads]
        return Job(f"{key}-{batch}", f"{label}, batch {batch}", lambda: last_json(command, self.environment), family)

    def trl(self, batch, precomputed=False):
        words = ["--data", self.data, "--global-batch", self.options.global_batch, "--warmup", self.options.warmup]
        if precomputed:
            return self.peer(
                "trl-precomputed", "TRL, reference precomputed", "trl_dpo.py", *words, "--precompute-reference",
                family="trl-precomputed", batch=batch)
        return self.peer("trl", "TRL DPOTrainer", "trl_dpo.py", *words, family="trl", batch=batch)

    def torch(self, batch):
        words = ["--data", self.data, "--global-batch", self.options.global_batch, "--warmup", self.options.warmup]
        return self.peer("torch", "PyTorch by hand", "torch_step.py", *words, family="torch", batch=batch)

    def transformers(self, batch):
        return self.peer(
            "transformers", "transformers, scoring", "transformers_scoring.py", "--records", self.records,
            *(["--warmup"] if self.options.warmup else []), family="transformers", batch=batch)

    def formula_bytes(self):
        """What treg says before step 1 that a rank will take, to a tenth of the unit."""
        output, errors = self.treg(
            *self.train_words("--treg_alpha", "0", "--global-batch-size", self.options.global_batch, "--dry-run")[1:],
            "--out", self.scratch / "none")
        found = re.search(r"^total +([\d.]+) (MB|GB)$", output + errors, re.MULTILINE)
        if not found:
            raise Failure(70, "treg train --dry-run prints no total of memory")
        return float(found[1]) * (1e9 if found[2] == "GB" else 1e6)
