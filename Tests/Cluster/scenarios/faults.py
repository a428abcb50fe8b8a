"""What breaks under a run over several hosts: processes, daemons, links. The launcher starts the run again."""

import signal
import time

from context import FILES_OF_OPEN_MPI
from harness import expect, scenario
from testbed import MPIRUN, processes
from runs import Finished, arguments, expect_every_step_once, expect_near_losses, expect_same_bits

STEPS, SAVE_STEPS = 200, 20
RUN_SECONDS = 150
TOLERANCE_OF_OTHER_LAYOUT = 1e-4
TRIES = 3


def run_flags():
    return {"steps": STEPS, "save_steps": SAVE_STEPS}


def started(c, *flags, **variables):
    """A supervised run on all hosts, at a random moment after its first checkpoint. Returns its job and folder."""
    c.need_launcher_flags("--max-restarts", "--min-ranks")
    c.reference(all_hosts(c), **run_flags())  # while all hosts are there
    out = c.folder / "out"
    words = c.launch(arguments(out, **run_flags()), "--max-restarts", 3, *flags)
    job = c.start(words, TREG_STALL_SECONDS="10", **variables)
    c.wait_for_step(job, out, c.random.randint(SAVE_STEPS + 1, STEPS * 3 // 5))
    time.sleep(c.random.uniform(0, 0.1))
    return job, out


def all_hosts(c):
    return " ".join(c.bed.names)


def expect_recovered(c, job, out, since, before):
    """The run went on to its end by itself, and nobody could tell from its results. `before`: its ranks at the fault."""
    gone = c.time_until_gone(before, since)
    c.expect_code(job, 0, RUN_SECONDS)
    seconds = time.monotonic() - since
    expect_every_step_once(out, STEPS)
    expect_same_bits(out, c.reference(all_hosts(c), **run_flags()), "the unbroken run")
    c.expect_nothing_left(out)
    return f"ranks ended after {gone:.1f} s, restarted, same bits, done after {seconds:.0f} s"


def expect_restart(out, job):
    told = job.errors + (out / "run" / "logs" / "launch.log").read_text() if (out / "run" / "logs").exists() else job.errors
    expect("restart" in told.lower(), "no word of a restart")


def recovered(c, victim, number):
    """A run restarts by itself after a process of it gets a signal: the one that `victim` picks, given the ranks."""
    job, out = started(c)
    before = list(c.bed.ranks().values())
    process, since = victim(before), time.monotonic()
    process.signal(number)
    said = expect_recovered(c, job, out, since, before)
    expect_restart(out, job)
    return said


@scenario("kill-rank", "kill -9 of a rank", 240, TRIES)
def kill_rank(c):
    return recovered(c, c.random.choice, signal.SIGKILL)


@scenario("kill-mpirun", "kill -9 of mpirun", 240, TRIES)
def kill_mpirun(c):
    return recovered(c, lambda _: c.bed.processes(*MPIRUN, host="n1")[0], signal.SIGKILL)


@scenario("kill-daemon", "kill -9 of a node's daemon (orted)", 240, TRIES)
def kill_daemon(c):
    host = c.random.choice(["n2", "n3"])
    return recovered(c, lambda _: c.bed.processes("orted", host=host)[0], signal.SIGKILL)


@scenario("kill-launcher", "kill -9 of the launcher; the same command resumes", 240, TRIES)
def kill_launcher(c):
    job, out = started(c)
    since = time.monotonic()
    ended = c.kill_launcher()
    again = c.start(c.launch(arguments(out, **run_flags()) + ["--resume"]), name="again")
    expect_recovered(c, again, out, since, [])
    return f"ranks ended after {ended:.0f} s, resumed, same bits"


@scenario("kill-node", "a node loses power, stays away", 240, 1)
def kill_node(c):
    """Its processes end without a word, and its link with them."""
    job, out = started(c, "--min-ranks", 2)
    since = time.monotonic()
    c.bed.link("n3", "down")
    c.bed.control("kill", "n3")
    return expect_recovered_on_fewer(c, job, out, since)


@scenario("kill-node-reproducible", "a node of a reproducible run stays away: as many hosts go on as divide it", 240, 1)
def kill_node_reproducible(c):
    """Two hosts with two ranks each; one is lost, and one with two ranks gives the same bits."""
    out, flags = c.folder / "out", {**run_flags(), "reproducible": True}
    job = c.start(
        c.launch(arguments(out, **flags), "--min-ranks", 2, names=["n1", "n2"], per_host=2), TREG_STALL_SECONDS="10")
    c.wait_for_step(job, out, c.random.randint(SAVE_STEPS + 1, STEPS * 3 // 5), 80)
    since = time.monotonic()
    c.bed.link("n2", "down")
    c.bed.control("kill", "n2")
    c.expect_code(job, 0, RUN_SECONDS)
    seconds = time.monotonic() - since
    expect(Finished(out).status().get("ranks") == 2, f"ended on {Finished(out).status().get('ranks')} ranks, not on 2")
    expect_every_step_once(out, STEPS)
    expect_same_bits(out, c.reference("solo", **flags), "one host")
    c.expect_nothing_left(out, 30)
    return f"restarted on 1 host, same bits, done {seconds:.0f} s after the fault"


@scenario("link-cut", "a link is cut for good", 240, TRIES)
def link_cut(c):
    job, out = started(c, "--min-ranks", 2)
    since = time.monotonic()
    c.bed.link("n3", "down")
    return expect_recovered_on_fewer(c, job, out, since)


def expect_recovered_on_fewer(c, job, out, since):
    c.expect_code(job, 0, RUN_SECONDS)
    seconds = time.monotonic() - since
    expect_every_step_once(out, STEPS)
    expect(Finished(out).status().get("ranks") == 2, f"ended on {Finished(out).status().get('ranks')} ranks, not on 2")
    worst = expect_near_losses(
        out, c.reference(all_hosts(c), **run_flags()), TOLERANCE_OF_OTHER_LAYOUT, "the unbroken run on 3 hosts")
    c.expect_nothing_left(out, 30)
    return f"restarted on 2 hosts, losses within {worst:.1e}, done {seconds:.0f} s after the fault"


@scenario("link-gap", "a link is down for 6 s", 240, TRIES)
def link_gap(c):
    job, out = started(c)
    since = time.monotonic()
    step = Finished(out).step()
    c.bed.link("n3", "down")
    time.sleep(6)
    during = Finished(out).step()
    c.bed.link("n3", "up")
    c.wait_for_step(job, out, min(STEPS, during + 5))
    gap = time.monotonic() - since
    c.expect_code(job, 0, RUN_SECONDS)
    expect("restart" not in job.errors.lower(), "the run was started again")
    expect_every_step_once(out, STEPS)
    expect_same_bits(out, c.reference(all_hosts(c), **run_flags()), "the unbroken run")
    c.expect_nothing_left(out)
    return f"went on after {gap:.1f} s (stood at step {step}–{during}), same bits"


@scenario("stop-rank", "SIGSTOP of a rank", 240, TRIES)
def stop_rank(c):
    job, out = started(c)
    ranks = c.bed.ranks()
    number, before = c.random.choice(list(ranks)), list(ranks.values())
    since = time.monotonic()
    ranks[number].signal(signal.SIGSTOP)
    said = expect_recovered(c, job, out, since, before)
    expect_restart(out, job)
    return f"rank {number}: {said}"


@scenario("kill-all-writing", "all killed while checkpoints are written, after every step", 120, 10)
def kill_all_writing(c):
    """As when the power of all hosts fails: most of the time goes into checkpoints."""
    c.may_leave(*FILES_OF_OPEN_MPI)
    out, steps = c.folder / "out", 40
    job = c.start(c.mpirun(arguments(out, steps=steps, save_steps=1)))
    c.wait_for_step(job, out, c.random.randint(2, 30))
    time.sleep(c.random.uniform(0, 0.2))
    for process in c.bed.processes():
        processes.kill(process.pid)
    job.end()
    unfinished = len(Finished(out).unfinished())
    c.finish(c.mpirun(arguments(out, steps=steps, save_steps=1) + ["--resume"]), name="again")
    expect_every_step_once(out, steps)
    expect_same_bits(out, c.reference(all_hosts(c), steps=steps, save_steps=1), "the unbroken run")
    c.expect_nothing_left(out)
    return f"{unfinished} files were unfinished, same bits"


@scenario("segfault", "a rank crashes (SIGSEGV)", 240, 1)
def segfault(c):
    return recovered(c, c.random.choice, signal.SIGSEGV)


@scenario("leave-and-resume", "SIGTERM to the launcher: checkpoint, 75, resumed", 240, TRIES)
def leave_and_resume(c):
    job, out = started(c)
    job.signal(signal.SIGTERM)
    c.expect_code(job, 75, 60)
    expect(Finished(out).status().get("state") == "stopped", f"state {Finished(out).status().get('state')}")
    c.expect_nothing_left(out)
    c.finish(c.launch(arguments(out, **run_flags()) + ["--resume"]), RUN_SECONDS, name="again")
    expect_every_step_once(out, STEPS)
    expect_same_bits(out, c.reference(all_hosts(c), **run_flags()), "the unbroken run")
    return "same bits"
