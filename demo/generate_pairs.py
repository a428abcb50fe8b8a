#!/usr/bin/env python3
"""Writes the demo's preference pairs, demo/train.jsonl and demo/held_out.jsonl, from templates and a seed.

    python3 demo/generate_pairs.py

Each line has TRL's conversational columns `prompt`, `chosen` and `rejected`, lists of messages. The families under
demo/families ask for small things in an exact form; the chosen answer is right and keeps the form, the rejected one is
wrong, off-format, curt or rambling. Held-out pairs are of the same families with other fillers. The lengths of
chosen and rejected answers are alike in distribution, which this program checks before it writes. The same seed gives
the same bytes.
"""

import json
import random
import statistics
import sys
from pathlib import Path

from families import facts, formats, writing

FOLDER = Path(__file__).resolve().parent
SEED = 20241203
TRAIN_PER_FAMILY = 8
HELD_OUT_PER_FAMILY = 2


def message(role, content):
    return [{"role": role, "content": content}]


def rows():
    """Training and held-out triples, each family's fillers divided between them at random."""
    source = random.Random(SEED)
    train, held_out = [], []
    for family in formats.FAMILIES + facts.FAMILIES + writing.FAMILIES:
        triples = list(dict.fromkeys(family(source)))
        needed = TRAIN_PER_FAMILY + HELD_OUT_PER_FAMILY
        assert len({prompt for prompt, _, _ in triples}) >= needed, f"{family.__name__} has too few fillers"
        picked = source.sample(triples, needed)
        train += picked[:TRAIN_PER_FAMILY]
        held_out += picked[TRAIN_PER_FAMILY:]
    source.shuffle(train)
    source.shuffle(held_out)
    return train, held_out


def check(name, triples):
    """Refuses sets in which length gives the answer away."""
    chosen = [len(chosen) for _, chosen, _ in triples]
    rejected = [len(rejected) for _, _, rejected in triples]
    longer = sum(a > b for a, b in zip(chosen, rejected)) / len(triples)
    print(
        f"{name}: {len(triples)} pairs, characters chosen {statistics.mean(chosen):.0f} ± {statistics.stdev(chosen):.0f}, "
        f"rejected {statistics.mean(rejected):.0f} ± {statistics.stdev(rejected):.0f}, chosen longer in {longer:.0%}"
    )
    ratio = statistics.mean(chosen) / statistics.mean(rejected)
    assert 0.85 < ratio < 1.18 and 0.4 < longer < 0.6, f"{name}: lengths give the answer away"
    assert all(c != r for _, c, r in triples), f"{name}: an identical pair"


def write(path, triples):
    lines = [
        json.dumps(
            {"prompt": message("user", p), "chosen": message("assistant", c), "rejected": message("assistant", r)},
            ensure_ascii=False,
        )
        for p, c, r in triples
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    train, held_out = rows()
    assert not {prompt for prompt, _, _ in train} & {prompt for prompt, _, _ in held_out}, "a held-out prompt is in train"
    check("train", train)
    check("held out", held_out)
    write(FOLDER / "train.jsonl", train)
    write(FOLDER / "held_out.jsonl", held_out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
