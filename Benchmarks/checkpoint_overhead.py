#!/usr/bin/env python3
"""What a checkpoint costs a run, as a share of the time from one to the next.

Trains on the same few pairs in every step, so that steps take equally long, with a checkpoint every few steps:

    cost = what training waited for the checkpoint + what steps took longer while it was written

The first is what treg prints, the second the time of the steps that began before the checkpoint was written, beyond the
median of the others. Needs python3 alone, and the model:

    Benchmarks/checkpoint_overhead.py --treg .build/release/treg --model "$(python3 demo/fetch_model.py)"
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

WORDS = "the quick brown fox reads one more line of the old book and writes down what it says about rivers and stones"


def rows(count):
    for number in range(count):
        text = " ".join((WORDS.split() * 4)[number : number + 60])
        yield {"prompt": f"Question {number}?", "chosen": text, "rejected": text[: len(text) // 2] + " or not"}


def train(options, folder, is_asynchronous):
    data = folder / "pairs.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows(options.pairs)))
    out = folder / ("background" if is_asynchronous else "at-once")
    steps = options.checkpoints * options.steps + options.steps - 1
    command = [options.treg, "train", "--model", options.model, "--data", data, "--out", out, "--loss-type", "simpo"]
    command += ["--treg-alpha", "0", "--global-batch-size", options.pairs, "--max-steps", steps]
    command += ["--save-steps", options.steps, "--save-total-limit", "1", "--save-async", str(is_asynchronous).lower()]
    if options.ranks > 1:
        command = ["mpirun", "-np", options.ranks, "--bind-to", "none"] + command
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(run.stderr)
    pattern = re.compile(r"checkpoint-(\d+): ([\d.]+ \w+), training waited ([\d.]+) s of ([\d.]+) s")
    saves = [(int(step), size, float(waited), float(total)) for step, size, waited, total in pattern.findall(run.stderr)]
    metrics = [json.loads(line) for line in (out / "run/metrics.jsonl").read_text().splitlines()]
    return saves, {line["step"]: line["perf/step_seconds"] for line in metrics}


def cost(saves, seconds):
    """Of each checkpoint: what training waited, what steps beside it took longer, and how long it was being written."""
    beside = {}
    for step, _, _, total in saves:
        left = total
        while left > 0 and step + 1 in seconds:
            step += 1
            beside.setdefault(step, True)
            left -= seconds[step]
    # The first step touches memory for the first time.
    quiet = [value for step, value in seconds.items() if step > 1 and step not in beside]
    usual = statistics.median(quiet)
    slower = sum(seconds[step] - usual for step in beside) / len(saves)
    return usual, [save[2] for save in saves], slower, [save[3] for save in saves]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treg", default=".build/release/treg")
    parser.add_argument("--model", required=True)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=4, help="of every step")
    parser.add_argument("--checkpoints", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8, help="from one checkpoint to the next")
    parser.add_argument("--interval", type=float, default=600, help="seconds from one checkpoint to the next in a real run")
    options = parser.parse_args()
    report = {}
    with tempfile.TemporaryDirectory(prefix="treg-checkpoints-", dir=".build") as folder:
        for is_asynchronous in [True, False]:
            saves, seconds = train(options, pathlib.Path(folder).resolve(), is_asynchronous)
            usual, waited, slower, total = cost(saves, seconds)
            mean = statistics.mean(waited)
            report["background" if is_asynchronous else "at once"] = {
                "size": saves[0][1],
                "step_seconds": round(usual, 2),
                "waited_seconds": waited,
                "steps_slower_by_seconds": round(slower, 2),
                "written_after_seconds": total,
                "share_of_interval": round((mean + max(slower, 0)) / options.interval, 5),
            }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
