#!/usr/bin/env python3
"""What a training step allocates, after warm-up: calls of malloc, calloc, realloc, posix_memalign and mmap, by module.

Trains twice on pairs of varied lengths, once some steps longer than the other time; what the longer run asks for beyond
the shorter one belongs to these steps. Token rewards are finished before. A call counts for the innermost module of
treg on its path. Needs python3, a C compiler, nm, and the model:

    Benchmarks/allocations.py --treg .build/release/treg --model "$(python3 demo/fetch_model.py)"
"""

import argparse
import bisect
import collections
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
WORDS = "the quick brown fox reads one more line of the old book and writes down what it says about rivers".split()


def rows(count):
    choice = random.Random(1)

    def text(least, most):
        return " ".join(choice.choice(WORDS) for _ in range(choice.randint(least, most)))

    for number in range(count):
        yield {"prompt": f"Question {number}: {text(5, 40)}?", "chosen": text(5, 90), "rejected": text(5, 90)}


def run(command, **environment):
    made = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=os.environ | environment)
    if made.returncode != 0:
        sys.exit(made.stderr)


class Symbols:
    """Modules of treg's functions, by their offsets."""

    def __init__(self, binary):
        listed = subprocess.run(["nm", "--defined-only", binary], capture_output=True, text=True, check=True).stdout
        found = sorted(
            (int(parts[0], 16), parts[2]) for parts in map(str.split, listed.splitlines()) if parts[1] in "tTwW"
        )
        self.offsets = [offset for offset, _ in found]
        self.names = [name for _, name in found]
        self.modules = {path.name for path in (HERE.parent / "Sources").iterdir()}

    def name(self, offset):
        # A return address may be the first byte after its function.
        place = bisect.bisect(self.offsets, offset - 1) - 1
        return self.names[place] if place >= 0 else ""

    def module(self, name):
        found = re.match(r"\$s(\d+)", name)
        own = name[found.end() : found.end() + int(found[1])] if found else name
        return own if own in self.modules else None


def read(path, binary):
    counts = collections.Counter()
    sizes = collections.Counter()
    for line in path.read_text().splitlines():
        count, size, *frames = line.split(" ")
        own = []
        for frame in frames:
            file, _, offset = frame.rpartition("|")
            if os.path.realpath(file) == binary:
                own.append(int(offset, 16))
        counts[tuple(own)] += int(count)
        sizes[tuple(own)] += int(size)
    return counts, sizes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treg", default=".build/release/treg")
    parser.add_argument("--model", required=True)
    parser.add_argument("--loss-type", default="dpo")
    parser.add_argument("--pairs", type=int, default=2, help="of a step")
    parser.add_argument("--warmup-steps", type=int, default=20, help="steps of both runs")
    parser.add_argument("--steps", type=int, default=50, help="steps that the longer run has beyond these")
    parser.add_argument("--top", type=int, default=12, help="functions to list")
    parser.add_argument("--report", help="a JSON file")
    options = parser.parse_args()

    binary = os.path.realpath(options.treg)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        library = folder / "allocations.so"
        run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", library, HERE / "allocations.c", "-ldl"])
        data = folder / "pairs.jsonl"
        total = options.warmup_steps + options.steps
        data.write_text("".join(json.dumps(row) + "\n" for row in rows(options.pairs * total)))
        common = ["--model", options.model, "--data", data, "--loss-type", options.loss_type]
        rewards = folder / "rewards"
        run([binary, "rewards", *common, "--out", rewards])
        found = []
        for steps in options.warmup_steps, total:
            command = [binary, "train", *common, "--rewards", rewards, "--out", folder / f"run-{steps}"]
            command += ["--global-batch-size", options.pairs, "--max-steps", steps, "--save-strategy", "no"]
            out = folder / f"{steps}.txt"
            run(command, LD_PRELOAD=str(library), ALLOCATIONS_OUT=str(out))
            found.append(read(out, binary))
    symbols = Symbols(binary)
    (before, sizes_before), (after, sizes_after) = found
    modules = collections.Counter()
    sizes = collections.Counter()
    functions = collections.Counter()
    for path in after:
        names = [symbols.name(offset) for offset in path]
        place = next((name for name in names if symbols.module(name)), None)
        module = symbols.module(place) if place else "libraries"
        modules[module] += after[path] - before[path]
        sizes[module] += sizes_after[path] - sizes_before[path]
        functions[place or "libraries"] += after[path] - before[path]
    print(f"{'calls':>8} {'bytes':>10}  a step, of {options.pairs} pairs")
    for module, count in modules.most_common():
        if count > 0:
            print(f"{count / options.steps:8.1f} {sizes[module] / options.steps:10.0f}  {module}")
    print(f"{sum(modules.values()) / options.steps:8.1f} {sum(sizes.values()) / options.steps:10.0f}  together")
    for name, count in functions.most_common(options.top):
        print(f"{count / options.steps:8.1f}  {name}")
    if options.report:
        per_step = {module: count / options.steps for module, count in modules.items()}
        report = {"pairs": options.pairs, "steps": options.steps, "calls_per_step": per_step}
        pathlib.Path(options.report).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
