#!/usr/bin/env python3
"""Shows that data pass through treg in bounded memory: a million rows by default; stdlib only, pyarrow when it is there.

    python3 Benchmarks/million_rows.py --treg .build/release/treg [--model MODEL] [--rows 1000000] [--threads N]

Makes synthetic preference rows in a folder of its own, in several files: JSON lines, the second to last file compressed by
gzip, the last one Parquet when pyarrow is there. Then it runs treg on them, each time as a process of its own:

    cold       treg train --dry-run, on a tenth of the rows and on all, each on an empty token cache
    warm       the same on all rows, whose tokens are in the cache now
    training   20 steps of 8 pairs each (SimPO, which needs no scores), on the warm cache

and prints a table of rows/s, peak resident memory, and the cache's size. The peak includes pages of the cache's index, 64
bytes a row, which the kernel takes back when others need memory. The runs on a tenth and on all tell what a further row costs.

Fails when a peak passes --limit-mb, 32 MB for each thread and --limit-row-bytes for each row.
The last line is one JSON object with all figures. Exit codes: 0 in bounds, 1 out of bounds, 64 usage, 66 a file is missing,
70 a run failed.
"""

import argparse
import gzip
import importlib.util
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TINY_MODEL = ROOT / "Tests" / "EndToEndTests" / "Golden" / "model"
WORDS = (
    "the a model answer question because river would be of und größer and not number reason apple hammer often "
    "seven machine light hello 東京 café green walk thought never maybe which into under morning learn data"
).split()
FILES = 8


class Failure(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def say(text):
    print(text, file=sys.stderr, flush=True)


class Rows:
    """Rows that all differ. Choosing words is slow, so texts come from pools and carry the row's number."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.questions = [self.text(4, 16) for _ in range(2000)]
        self.answers = [self.text(8, 32) for _ in range(5000)]

    def text(self, least, most):
        return " ".join(self.random.choices(WORDS, k=self.random.randint(least, most)))

    def row(self, number):
        choice = self.random.choice
        return {
            "prompt": [{"role": "user", "content": f"{number}: {choice(self.questions)}?"}],
            "chosen": [{"role": "assistant", "content": f"{choice(self.answers)} {number}."}],
            "rejected": [{"role": "assistant", "content": f"{choice(self.answers)} {number + 1}."}],
        }


def write_lines(path, rows, numbers):
    opened = gzip.open(path, "wt", compresslevel=1, encoding="utf-8") if path.suffix == ".gz" else open(
        path, "w", encoding="utf-8")
    with opened as file:
        for number in numbers:
            file.write(json.dumps(rows.row(number), ensure_ascii=False) + "\n")


def write_parquet(path, rows, numbers):
    import pyarrow
    import pyarrow.parquet

    writer = None
    for first in range(numbers.start, numbers.stop, 20_000):
        batch = range(first, min(first + 20_000, numbers.stop))
        table = pyarrow.Table.from_pylist([rows.row(number) for number in batch])
        if writer is None:
            writer = pyarrow.parquet.ParquetWriter(path, table.schema, compression="snappy")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def write_rows(folder, count):
    """Files that together hold `count` rows."""
    rows = Rows(seed=0)
    has_pyarrow = importlib.util.find_spec("pyarrow") is not None
    kinds = [".jsonl"] * (FILES - 2) + [".jsonl.gz", ".parquet" if has_pyarrow else ".jsonl"]
    for index, kind in enumerate(kinds):
        numbers = range(index * count // FILES, (index + 1) * count // FILES)
        write = write_parquet if kind == ".parquet" else write_lines
        write(folder / f"rows-{index}{kind}", rows, numbers)


def rows_in(folder, count):
    """Paths of files that together hold `count` rows.

    Another process writes them: a program's peak memory begins with that of the process that starts it, so this one stays small.
    """
    folder.mkdir()
    writer = multiprocessing.Process(target=write_rows, args=(folder, count))
    writer.start()
    writer.join()
    if writer.exitcode != 0:
        raise Failure(70, f"the rows could not be written to {folder}")
    return sorted(folder.iterdir())


def measured(command, environment, log):
    """Seconds, seconds of the processors, and peak resident bytes of a command that has to succeed."""
    started = time.monotonic()
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        # Of this child alone; getrusage(RUSAGE_CHILDREN) keeps the largest of all so far.
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = "\n".join(Path(log).read_text(errors="replace").strip().splitlines()[-8:])
        raise Failure(70, f"exit code {process.returncode}: {' '.join(map(str, command))}\n{tail}")
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def folder_bytes(folder):
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def measure(options, scratch):
    say(f"writing {options.rows} rows")
    few_rows = max(options.rows // 10, 1)
    few = rows_in(scratch / "few", few_rows)
    every = rows_in(scratch / "all", options.rows)
    threads = ["--threads", str(options.threads)] if options.threads else []

    def train(name, paths, rows, *more, out):
        command = [options.treg, "train", "--model", options.model, "--out", str(scratch / out), "--max-length", "512"]
        command += [word for path in paths for word in ("--data", str(path))] + threads + list(more)
        environment = dict(os.environ, TREG_CACHE=str(scratch / f"cache-{len(paths)}-{rows}"))
        seconds, processor, peak = measured(command, environment, scratch / "log")
        say(f"{name}: {seconds:.1f} s, peak {peak / 1e6:.1f} MB")
        return {
            "name": name, "rows": rows, "seconds": round(seconds, 2), "processor_seconds": round(processor, 2),
            "peak_bytes": peak,
        }

    # SimPO needs no scores of a frozen model; the learning rate is of no matter.
    steps = ["--loss-type", "simpo", "--treg-alpha", "0", "--max-steps", "20", "--global-batch-size", "8"]
    runs = [
        train("cold, a tenth", few, few_rows, "--dry-run", out="none"),
        train("cold", every, options.rows, "--dry-run", out="none"),
        train("warm", every, options.rows, "--dry-run", out="none"),
        train("training", every, options.rows, *steps, out="run"),
    ]
    return {
        "runs": runs,
        "data_bytes": folder_bytes(scratch / "all"),
        "cache_bytes": folder_bytes(scratch / f"cache-{len(every)}-{options.rows}"),
        "bytes_per_further_row": (runs[1]["peak_bytes"] - runs[0]["peak_bytes"]) / max(options.rows - few_rows, 1),
    }


def show(report):
    print("| run | rows | seconds | of processors | rows/s | peak MB |\n|---|---|---|---|---|---|")
    for run in report["runs"]:
        rate = f"{run['rows'] / run['seconds']:,.0f}" if run["name"] != "training" else ""
        print(
            f"| {run['name']} | {run['rows']:,} | {run['seconds']:.1f} | {run['processor_seconds']:.1f} | {rate} | "
            f"{run['peak_bytes'] / 1e6:.0f} |")
    print(
        f"\ndata {report['data_bytes'] / 1e6:.0f} MB, token cache {report['cache_bytes'] / 1e6:.0f} MB; "
        f"a further row costs {report['bytes_per_further_row']:.0f} bytes of the peak")


def findings(report, options):
    """What is out of bounds."""
    threads = options.threads or len(os.sched_getaffinity(0))
    found = []
    for run in report["runs"]:
        limit = (options.limit_mb + LIMIT_THREAD_MB * threads) * 1e6 + options.limit_row_bytes * run["rows"]
        if run["peak_bytes"] > limit:
            found.append(f"{run['name']}: peak {run['peak_bytes'] / 1e6:.0f} MB, allowed are {limit / 1e6:.0f}")
    return found


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--treg", required=True, help="the worker's binary")
    parser.add_argument("--model", default=str(TINY_MODEL), help="whose tokenizer is used; default: the tests' tiny one")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, help="of treg; default: its own choice")
    parser.add_argument("--limit-mb", type=float, default=LIMIT_MB,
                        help="memory that depends on neither rows nor threads; more for another --model")
    parser.add_argument("--limit-row-bytes", type=float, default=LIMIT_ROW_BYTES, help="memory that each row may add")
    parser.add_argument("--scratch", help="where the folder is made, which needs some 2 KB a row; default: TMPDIR")
    options = parser.parse_args()
    if options.rows < 80:
        parser.error("--rows: at least 80")
    return options


# What does not depend on rows: program, libraries, tokenizer, model; and for each thread rows under way with their tokens.
LIMIT_MB = 64
LIMIT_THREAD_MB = 32
# What a row may add: its entry in the index, as it is written (64) and then mapped (64), the key for the data's hash (16, in an
# array that grows by doubling), its place in the epoch's order (8).
LIMIT_ROW_BYTES = 180


def main():
    try:
        options = parse()
    except SystemExit as error:
        sys.exit(64 if error.code else 0)
    try:
        for path in (options.treg, options.model):
            if not Path(path).exists():
                raise Failure(66, f"{path}: no such file")
        with tempfile.TemporaryDirectory(prefix="treg-million-", dir=options.scratch) as folder:
            report = measure(options, Path(folder))
    except Failure as error:
        say(f"million_rows: {error}")
        sys.exit(error.code)
    show(report)
    found = findings(report, options)
    for finding in found:
        say(f"million_rows: {finding}")
    print(json.dumps(report))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
