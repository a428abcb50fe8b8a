"""Reward shards over ssh: independent jobs on hosts that see one folder."""

import filecmp

from harness import expect, scenario
from runs import MODEL, PAIRS

WORDS = ["rewards", "--model", MODEL, "--data", PAIRS, "--max-length", 256]


def launched(c, out, shards, *flags, names=None, name="run"):
    return c.start(
        [c.launcher, "--hostfile", c.hostfile(names or c.bed.names), "--shards", shards, "--threads", 1, *flags] + WORDS
        + ["--out", out], name=name)


def expect_same_files(c, out, shards):
    """The set's files are those of one job after the other on one host."""
    single = c.folder / "single"
    c.finish([c.launcher, "--shards", shards, "--parallel", 1, "--threads", 1] + WORDS + ["--out", single], 120, name="single")
    names = sorted(path.name for path in single.glob("shard-*"))
    expect(len(names) == shards, f"{len(names)} files of {shards}")
    _, different, missing = filecmp.cmpfiles(out, single, names, shallow=False)
    expect(not different and not missing, f"different: {different}, missing: {missing}")
    expect((out / "manifest.json").exists(), "no manifest.json")


@scenario("rewards-hosts", "8 shards of rewards over ssh, against one host's files", 150)
def over_hosts(c):
    out = c.folder / "out"
    job = launched(c, out, 8)
    c.expect_code(job, 0, 100)
    expect_same_files(c, out, 8)
    return "same files"


@scenario("rewards-host-lost", "shards over ssh, one host's link is cut: its shards go to the others", 240)
def host_lost(c):
    out = c.folder / "out"
    c.bed.link("n3", "down")
    job = launched(c, out, 8, "--no-host-checks")
    c.expect_code(job, 0, 180)
    again = [line for line in job.errors.splitlines() if "tried again" in line]
    expect(again, "no shard had to be tried again")
    c.bed.link("n3", "up")
    expect_same_files(c, out, 8)
    return f"{len(again)} tries on n3 failed, same files"


@scenario("rewards-launcher-killed", "kill -9 of the launcher of shards over ssh: all jobs end; the same command goes on", 240, 2)
def launcher_killed(c):
    out, shards = c.folder / "out", 24
    job = launched(c, out, shards)
    c.wait_until(lambda: len(list(out.glob("shard-*"))) >= c.random.randint(2, 6), job, 60, "finished shards")
    ended = c.kill_launcher()
    job.end()
    before = len(list(out.glob("shard-*")))
    c.expect_code(launched(c, out, shards, name="again"), 0, 150)
    expect_same_files(c, out, shards)
    return f"jobs ended after {ended:.1f} s, {before} of {shards} shards were there, same files"
