#!/usr/bin/env python3
"""Runs what only several hosts can show, on hosts that cluster/testbed raises: `make test-cluster`. Needs root.

    Tests/Cluster/run.py [--bin .build/release] [--only NAME,…] [--list] [--seed N] [--tries N] [--table FILE] [--keep]

A line for each scenario: pass, FAIL, or not available with what is missing, which is no pass. The table is Markdown, for
docs/RELIABILITY.md. The same seed gives the same moments and choices. Ends with 0 when all that were asked for passed.
"""

import argparse
import fnmatch
import pathlib
import random
import signal
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402
import scenarios  # noqa: E402, F401
from context import Context  # noqa: E402
from testbed import PROJECT  # noqa: E402


def main():
    options = parse()
    chosen = choose(options.only)
    if options.list:
        for scenario in chosen:
            print(f"{scenario.name:<28} {scenario.what}")
        return 0
    for name in ("treg", "treg-launch"):
        if not (options.bin / name).exists():
            print(f"run.py: {options.bin / name}: not there; make builds it, or name its folder with --bin", file=sys.stderr)
            return 66
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    context = Context(options.bin.resolve(), options.keep)
    outcomes = []
    try:
        for scenario in chosen:
            outcomes.append(harness.run(scenario, context, seed, options.tries))
            print(harness.line(outcomes[-1]), flush=True)
    finally:
        context.close()
        if options.table:
            options.table.write_text(harness.table(outcomes, seed))
    counts = {state: sum(outcome.state == state for outcome in outcomes) for state in ("pass", "FAIL", "not available")}
    print(f"{counts['pass']} passed, {counts['FAIL']} failed, {counts['not available']} not available (seed {seed})")
    return 0 if counts["pass"] == len(chosen) else 1


def choose(only):
    if not only:
        return harness.SCENARIOS
    patterns = only.split(",")
    known = [scenario for scenario in harness.SCENARIOS if any(fnmatch.fnmatch(scenario.name, text) for text in patterns)]
    if not known:
        print(f"run.py: {only}: no such scenario; --list names them", file=sys.stderr)
        raise SystemExit(64)
    return known


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=PROJECT / ".build" / "release", help="the folder of treg and treg-launch")
    parser.add_argument("--only", help="names or patterns with *, separated by commas")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--tries", type=int, help="of every scenario, in place of its own number")
    parser.add_argument("--table", type=pathlib.Path, help="write the table there")
    parser.add_argument("--keep", action="store_true", help="keep the folders of runs, below /var/tmp")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
