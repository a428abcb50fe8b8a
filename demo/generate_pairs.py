#!/usr/bin/env python3
"""Writes the demo's preference pairs, demo/train.jsonl and demo/held_out.jsonl, from templates and a seed.

    python3 demo/generate_pairs.py

Each line has TRL's conversational columns `prompt`, `chosen` and `rejected`, lists of messages. The families under
demo/families ask for small things in an exact form; the chosen answer is right and keeps the form, the rejected one is
wrong, off-format, curt or rambling. Held-out pairs are of the same families with other fillers. The lengths of
chosen and rejected answers, in tokens, are alike in distribution: where the right form is the longer one, part of the
rejected answers ramble on. This program checks that before it writes. The same seed gives the same bytes.
"""

import json
import random
import re
import statistics
import sys
from pathlib import Path

from families import facts, formats, writing

FOLDER = Path(__file__).resolve().parent
SEED = 20241203
TRAIN_PER_FAMILY = 8
HELD_OUT_PER_FAMILY = 2
# Of the pairs whose chosen answer is clearly longer, the share whose rejected answer rambles on.
RAMBLING_SHARE = 0.3
CLEARLY_LONGER = 2

# What an answer says that does not know when to stop.
RAMBLES = [
    "I hope that this helps you.",
    "Let me know if you need more!",
    "That is all there is to it, really.",
    "There are of course many other ways to say this.",
    "Please feel free to ask me anything else at any time.",
    "Many people ask about this, and it is a very good question.",
    "As always, it depends a little on what you want to do with it.",
    "I could go on about this for a long time, because it is such an interesting topic.",
    "In other words, what I said above is what I wanted to say, and I said it as well as I could.",
]

# A stand-in for a byte-level tokenizer: words, single digits, single marks.
PIECE = re.compile(r"\d|[A-Za-z]+|[^\sA-Za-z\d]")


def message(role, content):
    return [{"role": role, "content": content}]


def length(text):
    """Tokens of a text, nearly."""
    return len(PIECE.findall(text))


def rambling(triple, source):
    """The triple with a rejected answer that goes on until it is about as long as the chosen one."""
    prompt, chosen, rejected = triple
    goal = length(chosen) + source.randint(-2, 4)
    rest = source.sample(RAMBLES, len(RAMBLES))
    while rest and length(rejected) < goal:
        rejected += (" " if rejected[-1] in ".!?" else ". ") + rest.pop()
    return prompt, chosen, rejected


def balanced(triples, source):
    """Lets an even share of the rejected answers ramble where the chosen ones are clearly longer."""
    longer = [i for i, (_, chosen, rejected) in enumerate(triples) if length(chosen) > length(rejected) + CLEARLY_LONGER]
    for index in source.sample(longer, round(RAMBLING_SHARE * len(longer))):
        triples[index] = rambling(triples[index], source)
    return triples


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
    return balanced(train, source), balanced(held_out, source)


def check(name, triples):
    """Refuses sets in which length gives the answer away."""
    chosen = [length(chosen) for _, chosen, _ in triples]
    rejected = [length(rejected) for _, _, rejected in triples]
    longer = sum(a > b for a, b in zip(chosen, rejected)) / sum(a != b for a, b in zip(chosen, rejected))
    means = statistics.mean(chosen), statistics.mean(rejected)
    spreads = statistics.stdev(chosen), statistics.stdev(rejected)
    print(
        f"{name}: {len(triples)} pairs, tokens chosen {means[0]:.1f} ± {spreads[0]:.1f}, "
        f"rejected {means[1]:.1f} ± {spreads[1]:.1f}, chosen the longer in {longer:.0%}"
    )
    assert 0.95 < means[0] / means[1] < 1.05, f"{name}: mean lengths give the answer away"
    assert 0.8 < spreads[0] / spreads[1] < 1.25, f"{name}: the spread of lengths gives the answer away"
    assert 0.42 < longer < 0.58, f"{name}: the longer answer is too often the same one"
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
