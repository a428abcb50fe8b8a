"""The launcher with MPICH's mpirun (Hydra), whose words, labels and messages are other ones than Open MPI's."""

import pathlib
import signal
import time

from harness import NotAvailable, expect, scenario
from runs import Finished, arguments, expect_every_step_once, expect_near_losses, expect_same_bits

STEPS, SAVE_STEPS = 120, 20
HYDRA = {"mpirun": "mpiexec.hydra", "hydra_pmi_proxy": "hydra_pmi_proxy"}
PLACES = [pathlib.Path(folder) for folder in ("/usr/bin", "/usr/local/bin")]


def launched(c, words, *flags, per_host=1, name="run", **variables):
    """A run by treg-launch on all hosts that finds MPICH's mpirun first."""
    found = {link: next((place / program for place in PLACES if (place / program).exists()), None) for link, program in HYDRA.items()}
    if None in found.values():
        raise NotAvailable("no MPICH here: mpiexec.hydra, hydra_pmi_proxy")
    folder = c.folder / "mpich"
    folder.mkdir(exist_ok=True)
    for link, program in found.items():
        if not (folder / link).exists():
            (folder / link).symlink_to(program)
    command = c.launch(words, *flags, per_host=per_host)
    c.hostfile_for_mpich(c.bed.names)
    return c.start(command, name=name, PATH=f"{folder}:{c.bed.environment['PATH']}", **variables)


def logged(out, name):
    return (out / "run" / "logs" / name).read_text(errors="replace")


@scenario("mpich-equal", "3 hosts × 2 ranks by treg-launch and MPICH, against one host; a log for each rank", 150)
def equal(c):
    out = c.folder / "out"
    job = launched(c, arguments(out, steps=20), per_host=2)
    c.expect_code(job, 0, 90)
    expect_every_step_once(out, 20)
    worst = expect_near_losses(out, c.reference("solo", steps=20), 1e-5, "one host")
    expect("mpich" in logged(out, "launch.log"), "not started by MPICH")
    expect("training 20/20" in logged(out, "rank-00000.log"), "rank 0's lines are not in its log")
    strange = [line for line in job.errors.splitlines() if line.startswith("[")]
    expect(not strange, f"a label is left: {strange[:1]}")
    return f"losses within {worst:.1e}"


@scenario("mpich-kill-rank", "kill -9 of a rank under MPICH: named, restarted", 240, 2)
def kill_rank(c):
    out, flags = c.folder / "out", {"steps": STEPS, "save_steps": SAVE_STEPS}
    job = launched(c, arguments(out, **flags), "--max-restarts", 3, TREG_STALL_SECONDS="10")
    c.wait_for_step(job, out, c.random.randint(SAVE_STEPS + 1, STEPS * 3 // 5))
    ranks = c.bed.ranks()
    number, since = c.random.choice(list(ranks)), time.monotonic()
    ranks[number].signal(signal.SIGKILL)
    gone = c.time_until_gone(list(ranks.values()), since)
    c.expect_code(job, 0, 120)
    expect_every_step_once(out, STEPS)
    told = [line for line in job.errors.splitlines() if line.startswith("treg-launch:")]
    expect(any("restart 1" in line for line in told), f"no word of a restart: {told}")
    expect(any(f"rank {number} " in line for line in told), f"rank {number} is not named: {told}")
    unbroken = c.folder / "unbroken"
    c.expect_code(launched(c, arguments(unbroken, **flags), name="unbroken"), 0, 120)
    expect_same_bits(out, unbroken, "the unbroken run")
    return f"ranks ended after {gone:.1f} s, restarted, same bits: {told[0][:80]}"


@scenario("mpich-leave", "SIGTERM to the launcher under MPICH: checkpoint, 75, resumed", 240)
def leave(c):
    out, flags = c.folder / "out", {"steps": STEPS, "save_steps": SAVE_STEPS}
    job = launched(c, arguments(out, **flags))
    c.wait_for_step(job, out, c.random.randint(SAVE_STEPS + 1, STEPS * 3 // 5))
    job.signal(signal.SIGTERM)
    c.expect_code(job, 75, 60)
    expect(Finished(out).status().get("state") == "stopped", f"state {Finished(out).status().get('state')}")
    c.expect_nothing_left(out)
    c.expect_code(launched(c, arguments(out, **flags) + ["--resume"], name="again"), 0, 120)
    expect_every_step_once(out, STEPS)
    return "every step once"
