#!/usr/bin/env python3
"""Speed and memory of treg beside its peers on the same pairs, in one run; stdlib only.

    python3 Benchmarks/run.py --treg .build/release/treg --model MODEL [--python PYTHON] [--rows 24] [--repeats 3]

MODEL is what treg takes (a folder or a GGUF file). The peers need a Python with torch, transformers and trl (--python) and
a Hugging Face folder: --peer-model, or `treg convert` makes one beside the report when MODEL is a GGUF file. Data are
--data, else ../shared/data/alpaca_pairs.jsonl when it is there, else demo/train.jsonl.

Every repeat runs treg, TRL's DPOTrainer at each of --batch-sizes and the hand-tuned PyTorch step, one after the other, so that a
machine's drift meets all of them. The reference pass is part of every time. Prints a table of medians and, when treg and TRL
both ran, the line `ratio_vs_trl_best=` with treg's tokens/s over those of TRL's best batch size. Tokens are those of both
sequences of each pair, the prompt counted twice, without padding, for everyone. All measurements go to --report as JSON.
Exit codes: 0 done, 64 usage, 66 a program, model or data file is missing, 70 a run failed.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data" / "alpaca_pairs.jsonl"


class Failure(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_json(command, environment):
    """The last JSON object that a command prints on stdout."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
    if result.returncode != 0 or not lines:
        tail = "\n".join(result.stderr.strip().splitlines()[-12:])
        raise Failure(70, f"exit code {result.returncode}: {' '.join(command)}\n{tail}")
    return json.loads(lines[-1])


def choose_data(given):
    if given:
        return given
    if SHARED.exists():
        return SHARED
    say(f"no {SHARED.name} beside the project: measuring on demo/train.jsonl, whose pairs are short")
    return ROOT / "demo" / "train.jsonl"


def peer_model(options, scratch):
    """A Hugging Face folder for the Python peers."""
    if options.peer_model:
        return options.peer_model
    if Path(options.model).is_dir():
        return options.model
    folder = Path(scratch) / "model"
    say(f"converting {options.model} for the peers")
    command = [options.treg, "convert", "--model", options.model, "--out", str(folder), "--dtype", "float32"]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise Failure(70, f"treg convert failed ({result.returncode}): {result.stdout.strip()}")
    return str(folder)


def commands(options, data, folder):
    """Name and command line of everything that is measured."""
    shared = ["--data", str(data), "--rows", str(options.rows)]
    peers = [*shared, "--global-batch", str(options.global_batch)]
    threads = ["--threads", str(options.threads)] if options.threads else []
    listed = []
    if not options.skip_treg:
        step = [options.treg, "bench", "step", "--model", options.model, *shared, *threads]
        # The peers train plain DPO: no token rewards here either.
        listed.append(("treg", [*step, "--batch", str(options.global_batch), "--treg_alpha", "0", "--json"]))
    for size in [] if options.skip_trl else options.batch_sizes:
        script = str(ROOT / "Benchmarks" / "trl_dpo.py")
        listed.append((
            f"TRL DPOTrainer, batch {size}",
            [options.python, script, "--model", folder, *peers, *threads, "--batch-size", str(size)],
        ))
    if not options.skip_torch:
        script = str(ROOT / "Benchmarks" / "torch_step.py")
        for size in options.torch_batch_sizes:
            listed.append((
                f"PyTorch by hand, {size} packed",
                [options.python, script, "--model", folder, *peers, *threads, "--batch-size", str(size)],
            ))
    return listed


def medians(runs):
    return {key: statistics.median(run[key] for run in runs) for key in ("tokens", "seconds", "tokens_per_second", "peak_memory")}


def print_table(results):
    print(f"{'':<26}{'tokens':>9}{'seconds':>10}{'tokens/s':>10}{'min':>8}{'max':>8}{'peak GB':>9}")
    for name, runs in results.items():
        middle = medians(runs)
        speeds = [run["tokens_per_second"] for run in runs]
        print(
            f"{name:<26}{middle['tokens']:>9.0f}{middle['seconds']:>10.1f}{middle['tokens_per_second']:>10.1f}"
            f"{min(speeds):>8.1f}{max(speeds):>8.1f}{middle['peak_memory'] / 1e9:>9.2f}"
        )


def print_ratio(results):
    """treg's median tokens/s over the best of TRL's and of PyTorch's; also the check that all saw the same tokens."""
    if "treg" not in results:
        return
    own = medians(results["treg"])
    for label, start in (("trl", "TRL"), ("torch", "PyTorch")):
        peers = {name: medians(runs) for name, runs in results.items() if name.startswith(start)}
        if peers:
            print_ratio_against(label, own, *max(peers.items(), key=lambda item: item[1]["tokens_per_second"]))


def print_ratio_against(label, own, name, best):
    if abs(own["tokens"] - best["tokens"]) > 0.001 * best["tokens"]:
        say(f"treg counted {own['tokens']:.0f} tokens and {name} {best['tokens']:.0f}: the ratio is taken of seconds")
    print(f"best of its kind: {name}; peak memory of treg {own['peak_memory'] / best['peak_memory']:.2f} of it")
    print(f"ratio_vs_{label}_best={best['seconds'] / own['seconds']:.2f}")


def measure(options):
    data = choose_data(options.data)
    if not Path(data).exists():
        raise Failure(66, f"{data}: no such data file")
    if not Path(options.model).exists():
        raise Failure(66, f"{options.model}: no such model")
    if not options.skip_treg and not (shutil.which(options.treg) or Path(options.treg).exists()):
        raise Failure(66, f"{options.treg}: no such program; build it first")
    environment = dict(os.environ, TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
    results = {}
    with tempfile.TemporaryDirectory(prefix="treg-bench-") as scratch:
        folder = None if options.skip_trl and options.skip_torch else peer_model(options, scratch)
        listed = commands(options, data, folder)
        for repeat in range(options.repeats):
            for name, command in listed:
                run = run_json(command, environment)
                results.setdefault(name, []).append(run)
                say(f"{repeat + 1}/{options.repeats} {name}: {run['tokens_per_second']:.1f} tokens/s")
    if not results:
        raise Failure(64, "nothing to measure: everything is skipped")
    print(f"{options.rows} pairs of {Path(data).name}, {options.global_batch} a step, fp32, reference pass included, medians of {options.repeats}")
    print_table(results)
    print_ratio(results)
    if options.report:
        Path(options.report).write_text(json.dumps(results, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description="treg beside TRL and a hand-tuned PyTorch step")
    parser.add_argument("--treg", default=str(ROOT / ".build" / "release" / "treg"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--peer-model")
    parser.add_argument("--data")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: every program's own choice")
    parser.add_argument("--batch-sizes", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2, 4])
    parser.add_argument("--torch-batch-sizes", type=lambda text: [int(part) for part in text.split(",")], default=[1, 4])
    parser.add_argument("--global-batch", type=int, default=8, help="pairs of an optimizer step, for all")
    parser.add_argument("--report")
    parser.add_argument("--skip-treg", action="store_true")
    parser.add_argument("--skip-trl", action="store_true")
    parser.add_argument("--skip-torch", action="store_true")
    options = parser.parse_args()
    try:
        measure(options)
    except Failure as failure:
        say(f"bench: {failure}")
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
