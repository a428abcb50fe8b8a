#!/usr/bin/env python3
"""Speed and memory of treg, held to its goals beside its peers on the same pairs, in one run; stdlib only.

    python3 Benchmarks/run.py --treg .build/release/treg --model MODEL [--python PYTHON] [--rows 8] [--repeats 5]
                              [--only dpo,reg,…] [--quick] [--report FILE.json] [--plot FILE.svg]

MODEL is what treg takes (a folder or a GGUF file). The peers need a Python with torch, transformers, trl and datasets
(--python) and a Hugging Face folder: --peer-model, or `treg convert` makes one when MODEL is a GGUF file. Data are --data, else
../shared/data/alpaca_pairs.jsonl when it is there, else demo/train.jsonl. --only takes sections:

SECTIONS

Every program trains one step on the first rows before it is timed (--warmup), as the first step of a long training is not what
it lasts for; start-up is a section of its own. Every repeat runs all programs one after the other, so that a machine's drift meets all of them; sections share what they have in
common. After the first repeat a peer's batch size that is more than --prune slower than its best is not run again. A section
whose peer is missing says so and is left out. A program that fails is named, not run again, and ends the whole with exit code 70
after all others. --quick (2 rows, 1 repeat, few sizes) shows in some minutes that everything runs; its figures mean nothing.

Prints a table of medians and, for every figure, a line `name=value` with its goal: times and speeds of the same work, so that
"ratio" is how many times as fast, "time" how many times as long. Tokens are those of both sequences of each pair, the prompt
counted twice, without padding, for everyone; of scoring those of all six sequences. --report has all measurements.
Exit codes: 0 done, goals met or not; 64 usage; 66 a program, model or data file is missing; 70 a run failed;
130 interrupted, and --report has the repeats that were finished.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from speed.bench import ROOT, Bench
from speed.failure import Failure, say
from speed.plot import plot
from speed.report import print_figures, print_table, report
from speed.sections import SECTIONS, Results


def listed_sections():
    return "\n".join(f"    {section.name:<12} {section.what}" for section in SECTIONS)


def numbers(text):
    return [int(part) for part in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__.replace("SECTIONS", listed_sections()), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treg", default=str(ROOT / ".build" / "release" / "treg"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--peer-model", help="a Hugging Face folder of the same model")
    parser.add_argument("--data")
    parser.add_argument("--rewards", help="a folder of `treg rewards --jsonl` for exactly the first --rows rows; default: made first")
    parser.add_argument("--python", default=sys.executable, help="the peers' Python")
    parser.add_argument("--only", type=lambda text: text.split(","), help="sections, with commas between them")
    parser.add_argument("--quick", action="store_true", help="2 rows, 1 repeat, few sizes: a trial")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--global-batch", type=int, default=8, help="pairs of an optimizer step, for all")
    parser.add_argument("--warmup", type=int, help="rows of untimed steps before, for all; default: one step where --rows has a whole one; 0: none")
    parser.add_argument("--threads", type=int, default=0, help="of every program; 0: one for each core")
    parser.add_argument("--batch-sizes", type=numbers, default=[1, 2, 4], help="of TRL")
    parser.add_argument("--torch-batch-sizes", type=numbers, default=[1, 4], help="pairs that the PyTorch step packs")
    parser.add_argument("--scoring-batch-sizes", type=numbers, default=[1, 4], help="sequences of a pass in transformers")
    parser.add_argument("--replay-rows", type=int, default=16, help="pairs of the step that is compared to its products")
    parser.add_argument("--long-lengths", type=numbers, default=[1024, 2048, 4096, 8192], help="tokens a side")
    parser.add_argument("--long-layers", type=int, default=6, help="layers of the model that are kept for long rows")
    parser.add_argument("--prune", type=float, default=0.15)
    parser.add_argument("--report", help="all measurements and figures, as JSON")
    parser.add_argument("--plot", help="an SVG file")
    parser.add_argument("--scratch", help="where the folder for data and models is made; default: TMPDIR")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.repeats, options.global_batch, options.replay_rows = 2, 1, 2, 2
        options.batch_sizes, options.torch_batch_sizes, options.scoring_batch_sizes = [1], [1], [1]
        options.long_lengths, options.long_layers = [1024, 1536, 2048], 2
    if options.warmup is None:
        options.warmup = options.global_batch if options.global_batch <= options.rows else 0
    if options.warmup % max(1, options.global_batch) or not 0 <= options.warmup <= options.rows:
        parser.error(f"--warmup {options.warmup}: expected whole steps of {options.global_batch} pairs, {options.rows} at most")
    if min(options.rows, options.repeats, options.global_batch) < 1:
        parser.error("--rows, --repeats and --global-batch are 1 or more")
    names = [section.name for section in SECTIONS]
    unknown = [name for name in options.only or [] if name not in names]
    if unknown:
        parser.error(f"--only {','.join(unknown)}: no such section; there are {', '.join(names)}")
    return options


def chosen_sections(bench):
    """The sections that can be measured here, and those that cannot with the reason."""
    wanted = [section for section in SECTIONS if not bench.options.only or section.name in bench.options.only]
    skipped = {section.name: reason for section in wanted if (reason := section.missing(bench))}
    for name, reason in skipped.items():
        say(f"bench: {name} is left out: {reason}")
    return [section for section in wanted if section.name not in skipped], skipped


def is_slow(job, results, prune):
    """Whether a job's family has a setting that is much faster."""
    if job.family is None or job.key not in results.runs:
        return False
    return results.middle(job.key) > (1 + prune) * results.middle(results.best(job.family))


def measure(bench, sections, save):
    """All measurements, and the jobs that failed with their messages."""
    jobs = {job.key: job for section in sections for job in section.jobs(bench)}
    results, failures = Results(), {}
    repeats = bench.options.repeats
    for repeat in range(repeats):
        for job in jobs.values():
            if job.key in failures or (repeat > 0 and is_slow(job, results, bench.options.prune)):
                continue
            try:
                run = job.measure()
            except Failure as failure:
                failures[job.key] = str(failure)
                say(f"bench: {job.label}: {failure}")
                continue
            results.add(job, run)
            speed = f", {run['tokens_per_second']:.1f} tokens/s" if "tokens_per_second" in run else ""
            say(f"{repeat + 1}/{repeats} {job.label}: {run['seconds']:.2f} s{speed}")
        save(results, failures)
    return results, failures


def figures_of(sections, results, failures, bench):
    """The figures of every section, none where a program of it was never measured."""
    found = []
    for section in sections:
        if not all(results.has(job) for job in section.jobs(bench)):
            say(f"bench: {section.name} has no figures: a run of it failed")
            continue
        try:
            found += section.figures(results, bench)
        except Failure as failure:
            failures[section.name] = str(failure)
            say(f"bench: {section.name}: {failure}")
    return found


def run(options):
    with tempfile.TemporaryDirectory(prefix="treg-bench-", dir=options.scratch) as scratch:
        bench = Bench(options, scratch)
        sections, skipped = chosen_sections(bench)
        if not sections:
            raise Failure(66, "nothing can be measured here")

        def save(results, failures, figures=()):
            if options.report:
                Path(options.report).write_text(report(options, results, figures, skipped, failures))

        results, failures = measure(bench, sections, save)
        figures = figures_of(sections, results, failures, bench)
    save(results, failures, figures)
    print(
        f"{options.rows} pairs of {bench.data_file.name}, {options.global_batch} a step, fp32, {bench.threads} threads, "
        f"medians of {options.repeats}\n")
    print_table(results)
    print_figures(figures)
    if options.plot:
        Path(options.plot).write_text(plot(results, figures))
    return 70 if failures else 0


def main():
    try:
        options = parse()
    except SystemExit as error:
        return 64 if error.code else 0
    try:
        return run(options)
    except Failure as failure:
        say(f"bench: {failure}")
        return failure.code
    except KeyboardInterrupt:
        say("bench: interrupted" + (f"; {options.report} has the repeats that were finished" if options.report else ""))
        return 130


if __name__ == "__main__":
    sys.exit(main())
