"""What is measured and held to a goal: each section names its jobs and makes figures of their measurements."""

from dataclasses import dataclass
from statistics import median
from typing import Callable

LARGEST = 1 << 28


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    # At least, at most, or (as a pair) between.
    least: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def is_met(self):
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def goal(self):
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"


class Results:
    """Measurements of jobs by key, in the order in which they were made."""

    def __init__(self):
        self.labels = {}
        self.families = {}
        self.runs = {}

    def add(self, job, run):
        self.add_derived(job.key, job.label, run, job.family)

    def add_derived(self, key, label, run, family=None):
        """A part of what another job measured, under a name of its own."""
        self.labels[key] = label
        self.families[key] = family
        self.runs.setdefault(key, []).append(run)

    def has(self, job):
        """Whether a job, or another setting of its program, was measured."""
        return job.key in self.runs or (job.family is not None and job.family in self.families.values())

    def middle(self, key, value="seconds"):
        """The median of a job's measurements."""
        return median(run[value] for run in self.runs[key])

    def best(self, family):
        """The key of a family's fastest setting."""
        keys = [key for key, name in self.families.items() if name == family]
        return min(keys, key=self.middle)


@dataclass(frozen=True)
class Section:
    name: str
    what: str
    # What is missing for it, in words; None when it can be measured.
    missing: Callable
    jobs: Callable
    figures: Callable


def against_best(name, own, family, least):
    """How many times as fast a job is as the best setting of a family, on the same rows."""

    def figures(results, _):
        best = results.best(family)
        ratio = results.middle(best) / results.middle(own)
        note = f"best: {results.labels[best]}"
        tokens = [results.middle(key, "tokens") for key in (own, best)]
        if abs(tokens[0] - tokens[1]) > 0.001 * tokens[1]:
            note += f"; treg counted {tokens[0]:.0f} tokens, the peer {tokens[1]:.0f}"
        return [Figure(name, ratio, least=least, note=note)]

    return figures


def scoring_against_transformers(results, bench):
    """The frozen model's part of DPO-REG, over tokens counted as the peer counts them: every prompt in full."""
    best = results.best("transformers")
    tokens = results.middle(best, "tokens")
    for run in results.runs["treg-reg-turn"]:
        seconds = run["reference_seconds"]
        results.add_derived(
            "treg-scoring", "treg, scoring", {"seconds": seconds, "tokens": tokens, "tokens_per_second": tokens / seconds})
    ratio = results.middle(best) / results.middle("treg-scoring")
    return [Figure("ratio_scoring_vs_transformers", ratio, least=2.5, note=f"best: {results.labels[best]}")]


def templates_against_dpo(results, _):
    dpo = results.middle("treg-dpo")
    goals = {"turn": 1.7, "system": 1.7, "revise": 2.0}
    return [
        Figure(f"time_dpo_reg_{name}_vs_dpo", results.middle(f"treg-reg-{name}") / dpo, most=goal)
        for name, goal in goals.items()
    ]


def training_against_replay(results, bench):
    ratio = median(run["train_seconds"] / run["product_seconds"] for run in results.runs["replay"])
    return [Figure("time_vs_replayed_products", ratio, most=1.15, note=f"{bench.options.replay_rows} pairs a step")]


def memory(results, bench):
    own = results.middle("treg-dpo", "peak_memory")
    formula = bench.formula_bytes()
    figures = [Figure("memory_vs_formula", own / formula, least=0.9, most=1.1, note=f"{own / 1e9:.2f} of {formula / 1e9:.1f} GB")]
    if "trl-1" in results.runs:
        peer = results.middle("trl-1", "peak_memory")
        note = f"{own / 1e9:.2f} of {peer / 1e9:.2f} GB"
        figures.insert(0, Figure("memory_vs_trl_batch_1", own / peer, most=0.6, note=note))
    return figures


def ranks_against_threads(results, _):
    return [Figure("speed_2_ranks_vs_threads", results.middle("treg-dpo") / results.middle("treg-2-ranks"), least=0.95)]


def long_rows(results, bench):
    lengths = bench.options.long_lengths
    if len(lengths) < 2:
        return []

    def work(length):
        run = results.runs[f"long-{length}"][0]
        return bench.operations.forward(run["tokens"], run["shared_tokens"])

    def tokens(length):
        return results.middle(f"long-{length}", "shared_tokens")

    def peak(length):
        return results.middle(f"long-{length}", "peak_memory")

    def seconds(length):
        return results.middle(f"long-{length}")

    first, second = lengths[:2]
    slope = (peak(second) - peak(first)) / (tokens(second) - tokens(first))
    figures = []
    for length in lengths[1:]:
        expected = seconds(first) * work(length) / work(first)
        note = f"{seconds(length):.1f} s, {expected:.1f} by the count of operations"
        figures.append(Figure(f"long_time_{length}_vs_operations", seconds(length) / expected, most=1.3, note=note))
    for length in lengths[2:]:
        expected = peak(first) + slope * (tokens(length) - tokens(first))
        note = f"{peak(length) / 1e9:.2f} GB, {expected / 1e9:.2f} on the line through the two shortest"
        figures.append(Figure(f"long_memory_{length}_vs_linear", peak(length) / expected, most=1.1, note=note))
    return figures


def start(results, _):
    return [Figure("seconds_to_first_step", results.middle("start"), most=3)]


def collectives(results, _):
    """Against what a copy's speed allows ranks that read each other's memory.

    A copy reads and writes each of M bytes. Of R ranks each has to read M / R of every rank and write M / R to reduce and
    scatter: (1 + R) M / R in place of 2 M. A sum then has to gather: (R − 1) M / R read and written on top.
    """
    ranks = 2
    moved = {"reduceScatter": (1 + ranks) / ranks}
    moved["sum"] = moved["reduceScatter"] + 2 * (ranks - 1) / ranks
    seconds = {}
    for run in results.runs["collectives"]:
        for entry in run["entries"]:
            if entry["bytes"] == LARGEST:
                seconds.setdefault(entry["name"], []).append(entry["seconds"])
    copy = median(seconds["copy"])
    figures = []
    for name, key in (("reduce_scatter", "reduceScatter"), ("sum", "sum")):
        own = median(seconds[key])
        note = f"{LARGEST / own / 1e9:.1f} GB/s, a copy {LARGEST / copy / 1e9:.1f}, bound {2 / moved[key]:.2f} of it"
        figures.append(Figure(f"{name}_vs_copy_bound", moved[key] / 2 * copy / own, least=0.7, note=note))
    return figures


def batches(bench, sizes):
    """The batch sizes that make whole optimizer steps."""
    return [size for size in sizes if bench.options.global_batch % size == 0]


SECTIONS = [
    Section(
        "dpo", "DPO with its reference pass, against TRL at its best batch size",
        lambda bench: bench.missing("torch", "transformers", "trl", "datasets"),
        lambda bench: [bench.dpo(), *(bench.trl(size) for size in batches(bench, bench.options.batch_sizes))],
        against_best("ratio_vs_trl_best", "treg-dpo", "trl", 3.0)),
    Section(
        "torch", "DPO with its reference pass, against a hand-tuned PyTorch step",
        lambda bench: bench.missing("torch", "transformers"),
        lambda bench: [bench.dpo(), *(bench.torch(size) for size in batches(bench, bench.options.torch_batch_sizes))],
        against_best("ratio_vs_torch_best", "treg-dpo", "torch", 2.0)),
    Section(
        "reg", "DPO-REG on finished token rewards, against TRL's DPO on precomputed reference log-probs",
        lambda bench: bench.missing("torch", "transformers", "trl", "datasets"),
        lambda bench: [
            bench.reg_finished(), *(bench.trl(size, True) for size in batches(bench, bench.options.batch_sizes))],
        against_best("ratio_dpo_reg_vs_trl_precomputed", "treg-reg-finished", "trl-precomputed", 3.0)),
    Section(
        "templates", "DPO-REG that makes its token rewards in the run, against DPO", lambda bench: None,
        lambda bench: [bench.dpo(), *(bench.reg(name) for name in ("turn", "system", "revise"))], templates_against_dpo),
    Section(
        "scoring", "token rewards, against forward passes of transformers over the same prompts",
        lambda bench: bench.missing("torch", "transformers"),
        lambda bench: [bench.reg("turn"), *(bench.transformers(size) for size in bench.options.scoring_batch_sizes)],
        scoring_against_transformers),
    Section(
        "replay", "training, against its matrix products alone", lambda bench: None,
        lambda bench: [bench.step(
            "replay", "treg, DPO beside its products", "--treg_alpha", "0", "--replay",
            data=bench.first_rows(bench.options.replay_rows), rows=bench.options.replay_rows,
            batch=bench.options.replay_rows)],
        training_against_replay),
    Section(
        "memory", "peak memory of DPO, against TRL at a batch of 1 and against the formula", lambda bench: None,
        lambda bench: [bench.dpo()] + ([] if bench.missing("torch", "transformers", "trl", "datasets") else [bench.trl(1)]),
        memory),
    Section(
        "ranks", "2 ranks, against as many threads of one rank", lambda bench: bench.missing_mpi,
        lambda bench: [bench.dpo(), bench.divided_dpo(2)], ranks_against_threads),
    Section(
        "long", "rows of up to 8,192 tokens a side, against their operations and a line", lambda bench: None,
        lambda bench: [bench.long(length) for length in bench.options.long_lengths], long_rows),
    Section("start", "treg train from its start to its first step", lambda bench: None, lambda bench: [bench.start()], start),
    Section(
        "collectives", "sums between 2 ranks, against what a copy in memory allows", lambda bench: bench.missing_mpi,
        lambda bench: [bench.collectives(2)], collectives),
]
