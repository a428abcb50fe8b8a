#!/usr/bin/env python3
"""The demo's table: held-out pairs before and after training, from `treg evaluate --jsonl`, with a paired sign test.

    python3 demo/report.py before.jsonl after.jsonl --metrics run/metrics.jsonl --seconds 120
"""

import argparse
import json
import math
import sys


def rows(path):
    with open(path, encoding="utf-8") as file:
        return {row["row"]: row for row in map(json.loads, file)}


def per_token(row, side):
    values = row[f"{side}_logprobs"]
    return sum(values) / len(values)


def wins(row):
    """1 when the mean log-prob per token prefers the chosen answer, a half for a tie."""
    chosen, rejected = per_token(row, "chosen"), per_token(row, "rejected")
    return 1.0 if chosen > rejected else 0.5 if chosen == rejected else 0.0


def sign_test(better, worse):
    """One-sided probability of at least `better` ups among the pairs that changed, were up and down equally likely."""
    changed = better + worse
    return sum(math.comb(changed, k) for k in range(better, changed + 1)) / 2**changed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--metrics", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()

    before, after = rows(arguments.before), rows(arguments.after)
    if before.keys() != after.keys() or not before:
        sys.exit("report: both files must hold the same rows")
    count = len(before)
    accuracy = [sum(map(wins, table.values())) / count for table in (before, after)]
    better = sum(wins(after[row]) > wins(before[row]) for row in before)
    worse = sum(wins(after[row]) < wins(before[row]) for row in before)
    margins = [row["rewards/chosen"] - row["rewards/rejected"] for row in after.values()]
    rewards = sum(margin > 0 for margin in margins) / count
    gap = [sum(per_token(r, "chosen") - per_token(r, "rejected") for r in table.values()) / count
           for table in (before, after)]
    with open(arguments.metrics, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    steps = [line for line in lines if "perf/step_seconds" in line]
    seconds = sum(line["perf/step_seconds"] for line in steps)
    speed = steps[-1]["num_tokens"] / seconds

    print()
    print(f"{count} held-out pairs                    before      after")
    print(f"logps/accuracies                    {accuracy[0]:8.3f}   {accuracy[1]:8.3f}")
    print(f"rewards/accuracies                         –   {rewards:8.3f}")
    print(f"rewards/margins                            –   {sum(margins) / count:8.3f}")
    print(f"log-prob margin per token           {gap[0]:8.3f}   {gap[1]:8.3f}")
    print(f"pairs turned right / wrong                     {better} / {worse}, sign test p = {sign_test(better, worse):.2g}")
    print(f"training: {arguments.seconds:.0f} s, {seconds:.0f} s of it in {len(steps)} steps, {speed:.0f} tokens/s")


if __name__ == "__main__":
    main()
