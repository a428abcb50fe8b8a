"""Checkpoints that are damaged, and disks that are full."""

import os
import time

from harness import expect, scenario
from runs import Finished, arguments, expect_every_step_once, expect_same_bits

STEPS, SAVE_STEPS = 60, 10


def flags():
    return {"steps": STEPS, "save_steps": SAVE_STEPS}


def stopped(c, out):
    """A solo run that was asked to leave when it had written two checkpoints or more."""
    job = c.start([c.treg] + arguments(out, **flags()))
    c.wait_for_step(job, out, c.random.randint(2 * SAVE_STEPS + 2, STEPS - 15))
    (out / "run" / "stop").touch()
    c.expect_code(job, 0, 30)
    expect(len(Finished(out).checkpoints()) >= 2, f"checkpoints: {Finished(out).checkpoints()}")


@scenario("flipped-byte", "a flipped byte anywhere in the newest checkpoint", 60, 20)
def flipped_byte(c):
    out = c.folder / "out"
    stopped(c, out)
    newest = Finished(out).checkpoints()[-1]
    files = sorted(path for path in (out / newest).rglob("*") if path.is_file() and path.stat().st_size)
    file = c.random.choice(files)
    flip(file, c.random)
    name = file.relative_to(out / newest)
    again = c.start([c.treg] + arguments(out, **flags()) + ["--resume"], name="again")
    code = again.wait(60)
    expect(code == 0, f"{name}: ended with {code}: {again.errors.splitlines()[-1]}")
    expect(newest in again.errors and str(name) in again.errors, f"{name}: no line names {newest} and the file")
    expect_every_step_once(out, STEPS)
    expect_same_bits(out, c.reference("solo", **flags()), "the unbroken run")
    c.expect_nothing_left(out)
    return "named and skipped, same bits"


def flip(file, random):
    data = bytearray(file.read_bytes())
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    file.write_bytes(data)


@scenario("truncated-file", "a file of the newest checkpoint cut short", 60, 5)
def truncated(c):
    out = c.folder / "out"
    stopped(c, out)
    newest = Finished(out).checkpoints()[-1]
    file = c.random.choice(sorted(path for path in (out / newest).rglob("*") if path.is_file() and path.stat().st_size))
    os.truncate(file, c.random.randrange(file.stat().st_size))
    c.finish([c.treg] + arguments(out, **flags()) + ["--resume"], name="again")
    expect_same_bits(out, c.reference("solo", **flags()), "the unbroken run")
    return "skipped, same bits"


@scenario("disk-full", "a full disk (small tmpfs), later with room again", 90, 3)
def disk_full(c):
    """The disk fills up after the first checkpoint and has room again before the end."""
    long = {"steps": 3000, "save_steps": 100}
    place = c.folder / "disk"
    place.mkdir()
    c.bed.run("n1", "mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place)
    inside = c.bed.path("n1", place)
    out, seen = place / "out", inside / "out"
    try:
        job = c.start([c.treg] + arguments(out, **long))
        c.wait_for_step(job, seen, c.random.randint(101, 190))
        kept = Finished(seen).checkpoints()
        expect(kept, "no checkpoint")
        fill(inside / "filler")
        # Metrics wait too while there is no room: two checkpoints that fail tell that training goes on.
        c.wait_until(lambda: len(warnings(job)) >= 2, job, 30, "second warning of a checkpoint")
        held = Finished(seen).checkpoints()
        expect(kept[-1] in held, f"{kept[-1]} is gone: {held}")
        (inside / "filler").unlink()
        c.expect_code(job, 0, 60)
        warned = warnings(job)
        expect_every_step_once(seen, long["steps"])
        expect_same_bits(seen, c.reference("solo", **long), "the unbroken run")
        expect(not Finished(seen).unfinished(), f"left: {Finished(seen).unfinished()}")
        return f"warned, went on, same bits: {warned[0].strip()[:100]}"
    finally:
        c.bed.run("n1", "umount", "-l", place, check=False)


def warnings(job):
    return [line for line in job.errors.splitlines() if "WARNING" in line and "checkpoint" in line]


@scenario("disk-full-at-end", "a full disk when the trained model is to be written", 90, 1)
def disk_full_at_end(c):
    place = c.folder / "disk"
    place.mkdir()
    c.bed.run("n1", "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place)
    inside = c.bed.path("n1", place)
    out, seen = place / "out", inside / "out"
    try:
        job = c.start([c.treg] + arguments(out, steps=150, save_steps=20))
        c.wait_for_step(job, seen, 21)
        fill(inside / "filler")
        c.expect_code(job, 74, 60)
        expect(Finished(seen).checkpoints(), "no checkpoint is left")
        (inside / "filler").unlink()
        c.finish([c.treg] + arguments(out, steps=150, save_steps=20) + ["--resume"], name="again")
        expect_same_bits(seen, c.reference("solo", steps=150, save_steps=20), "the unbroken run")
        return "74, resumed, same bits"
    finally:
        c.bed.run("n1", "umount", "-l", place, check=False)


def fill(path):
    """Takes all the room there is."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    time.sleep(0.05)
