"""The same faults under mpirun alone, which starts nothing again: the run ends in bounded time with its cause named, and
resumes by hand."""

import signal
import time

from context import FILES_OF_OPEN_MPI, last_line
from harness import expect, scenario
from runs import Finished, arguments, expect_every_step_once, expect_same_bits
from testbed import MPIRUN

STEPS, SAVE_STEPS = 120, 20
KEEP_ALIVE = ["--mca", "oob_tcp_keepalive_time", "5", "--mca", "oob_tcp_keepalive_intvl", "2", "--mca",
              "oob_tcp_keepalive_probes", "3"]
TRIES = 2


def started(c):
    c.need_worker_flag("--max-skipped-steps", "watchdog")
    # Killed daemons remove nothing, and nobody does it for them.
    c.may_leave(*FILES_OF_OPEN_MPI)
    out = c.folder / "out"
    words = c.mpirun(arguments(out, steps=STEPS, save_steps=SAVE_STEPS))
    job = c.start(words[:1] + KEEP_ALIVE + words[1:], TREG_STALL_SECONDS="10")
    c.wait_for_step(job, out, c.random.randint(SAVE_STEPS + 1, STEPS * 3 // 5))
    time.sleep(c.random.uniform(0, 0.1))
    return job, out, c.bed.ranks()


def ended_and_resumed(c, job, out, ranks, since, codes, named=None):
    """The fault ends the run; then the bed is whole again and the run goes on."""
    gone = c.time_until_gone(list(ranks.values()), since)
    c.expect_code(job, codes, 30)
    line = last_line(job.errors)
    if named is not None:
        expect(f"rank {named}" in line, f"the last line does not name rank {named}: {line}")
    left = c.bed.wait_for_no_job(30)
    expect(not left, f"left running: {', '.join(process.name for process in left)}")
    c.bed.revive()
    c.finish(c.mpirun(arguments(out, steps=STEPS, save_steps=SAVE_STEPS) + ["--resume"]), name="again")
    expect_every_step_once(out, STEPS)
    expect_same_bits(
        out, c.reference(" ".join(c.bed.names), steps=STEPS, save_steps=SAVE_STEPS), "the unbroken run")
    c.expect_nothing_left(out)
    return f"ended after {gone:.1f} s: {line[:110]}"


def signalled(c, what, code):
    """A rank gets a signal, and the run ends with this code and names the rank."""
    job, out, ranks = started(c)
    number, since = c.random.choice(list(ranks)), time.monotonic()
    ranks[number].signal(what)
    return ended_and_resumed(c, job, out, ranks, since, (code,), number)


@scenario("mpirun-stop-rank", "SIGSTOP of a rank under mpirun", 150, TRIES)
def stop_rank(c):
    return signalled(c, signal.SIGSTOP, 75)


@scenario("mpirun-segfault", "SIGSEGV of a rank under mpirun", 150, TRIES)
def segfault(c):
    return signalled(c, signal.SIGSEGV, 139)


@scenario("mpirun-kill-daemon", "kill -9 of a node's daemon under mpirun", 150, TRIES)
def kill_daemon(c):
    job, out, ranks = started(c)
    host, since = c.random.choice(["n2", "n3"]), time.monotonic()
    c.bed.processes("orted", host=host)[0].signal(signal.SIGKILL)
    return ended_and_resumed(c, job, out, ranks, since, (205,))


@scenario("mpirun-killed", "kill -9 of mpirun itself", 150, TRIES)
def kill_mpirun(c):
    job, out, ranks = started(c)
    since = time.monotonic()
    c.bed.processes(*MPIRUN, host="n1")[0].signal(signal.SIGKILL)
    return ended_and_resumed(c, job, out, ranks, since, (137,))


@scenario("mpirun-link-cut", "a link is cut for good under mpirun with keep-alive", 150, TRIES)
def link_cut(c):
    job, out, ranks = started(c)
    since = time.monotonic()
    c.bed.link("n3", "down")
    return ended_and_resumed(c, job, out, ranks, since, (75, 205))
