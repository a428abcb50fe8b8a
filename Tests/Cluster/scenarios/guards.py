"""Numbers that are not finite, and ranks that no longer hold the same weights: injected by TREG_DRILL."""

import json

from harness import expect, scenario
from runs import Finished, arguments, expect_every_step_once, expect_same_bits

STEPS, SAVE_STEPS = 40, 10


def flags():
    return {"steps": STEPS, "save_steps": SAVE_STEPS}


def drilled(c, drill, **more):
    """A run by mpirun, which nobody starts again."""
    c.need_worker_flag("--max-skipped-steps", "drills")
    out = c.folder / "out"
    return c.start(c.mpirun(arguments(out, **flags(), **more)), TREG_DRILL=drill, TREG_STALL_SECONDS="10"), out


def drilled_and_watched(c, drill, **more):
    """A run by the launcher."""
    c.need_worker_flag("--max-skipped-steps", "drills")
    c.need_launcher_flags("--max-restarts")
    out = c.folder / "out"
    return c.start(c.launch(arguments(out, **flags(), **more)), TREG_DRILL=drill, TREG_STALL_SECONDS="10"), out


def reference(c, drill="", **more):
    return c.reference(" ".join(c.bed.names), drill, **flags(), **more)


@scenario("nan-once", "NaN in a gradient, once: computed again", 90, 3)
def nan_once(c):
    step, rank = c.random.randint(2, STEPS - 2), c.random.randrange(3)
    job, out = drilled(c, f"nan:step={step},rank={rank}")
    c.expect_code(job, 0, 60)
    expect_same_bits(out, reference(c), "the unbroken run")
    expect_every_step_once(out, STEPS)
    c.expect_nothing_left(out)
    return "same bits"


@scenario("nan-twice", "NaN in a gradient, again when computed again: skipped", 90, 3)
def nan_twice(c):
    step, rank = c.random.randint(2, STEPS - 2), c.random.randrange(3)
    job, out = drilled(c, f"nan:step={step},rank={rank},times=2")
    c.expect_code(job, 0, 60)
    told = [json.loads(line) for line in (out / "run" / "skipped.jsonl").read_text().splitlines()]
    expect([line["step"] for line in told] == [step] and told[0].get("rows"), f"run/skipped.jsonl: {told}")
    expect(f"step {step}" in "".join(line for line in job.errors.splitlines(True) if "skip" in line.lower()), "no warning")
    expect_same_bits(out, reference(c, f"skip:step={step}"), "a run that was told to skip the step")
    c.expect_nothing_left(out)
    return "skipped with its rows named, same bits as a run told to skip it"


@scenario("nan-always", "NaN in every gradient from a step on: stops with 79", 90, 1)
def nan_always(c):
    job, out = drilled(c, f"nan:step={c.random.randint(2, 20)},rank={c.random.randrange(3)},times=1000")
    c.expect_code(job, 79, 60)
    c.expect_nothing_left(out)
    return last(job)


@scenario("flipped-weight", "a flipped weight bit in one rank: named, restarted", 120, 3)
def flipped_weight(c):
    step, rank = c.random.randint(SAVE_STEPS + 2, STEPS - 8), c.random.randrange(3)
    job, out = drilled_and_watched(c, f"flip:step={step},rank={rank}", check_weights_steps=1)
    c.expect_code(job, 0, 90)
    told = job.errors + "".join(str(report) for report in Finished(out).errors())
    expect(f"rank {rank}" in told, f"no line names rank {rank}")
    expect_every_step_once(out, STEPS)
    expect_same_bits(out, reference(c, check_weights_steps=1), "the unbroken run")
    c.expect_nothing_left(out)
    return f"rank {rank} named, restarted, same bits"


@scenario("drill-kill", "a rank that kills itself at a step", 120, 1)
def drill_kill(c):
    job, out = drilled_and_watched(c, f"kill:step={c.random.randint(12, 30)},rank={c.random.randrange(3)}")
    c.expect_code(job, 0, 90)
    expect_same_bits(out, reference(c), "the unbroken run")
    return "restarted, same bits"


@scenario("drill-hang", "a rank that does nothing any more: its watchdog", 150, 1)
def drill_hang(c):
    rank = c.random.randrange(3)
    job, out = drilled_and_watched(c, f"hang:step={c.random.randint(12, 30)},rank={rank}")
    c.expect_code(job, 0, 120)
    expect_same_bits(out, reference(c), "the unbroken run")
    expect(f"rank {rank}" in job.errors, f"no line names rank {rank}")
    return "restarted, same bits"


def last(job):
    lines = [line for line in job.errors.splitlines() if line.startswith(("treg:", "treg-launch:"))]
    return lines[-1][:160] if lines else ""
