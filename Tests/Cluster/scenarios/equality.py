"""A run is the same run on one host and on several, whoever starts it."""

from harness import expect, scenario
from runs import Finished, arguments, expect_every_step_once, expect_near_losses, expect_same_bits

STEPS = 20
TOLERANCE = 1e-5


def near_solo(c, out):
    expect_every_step_once(out, STEPS)
    worst = expect_near_losses(out, c.reference("solo", steps=STEPS), TOLERANCE, "one host")
    c.expect_nothing_left(out)
    return f"losses within {worst:.1e}"


@scenario("equal-mpirun", "3 hosts by mpirun, against one", 120)
def by_mpirun(c):
    out = c.folder / "out"
    c.finish(c.mpirun(arguments(out, steps=STEPS)))
    return near_solo(c, out)


@scenario("equal-launcher", "3 hosts by treg-launch --hostfile, against one", 120)
def by_launcher(c):
    c.need_launcher_flags("--max-restarts")
    out = c.folder / "out"
    c.finish(c.launch(arguments(out, steps=STEPS)))
    return near_solo(c, out)


@scenario("equal-slurm", "3 hosts by srun --mpi=pmix, against one", 120)
def by_slurm(c):
    out = c.folder / "out"
    c.finish(["srun", "--mpi=pmix", "-K1", "-N3", "-n3", c.treg] + arguments(out, steps=STEPS))
    return near_solo(c, out)


@scenario("equal-slurm-launcher", "treg-launch inside an allocation of 3 nodes, against one", 120)
def by_launcher_in_allocation(c):
    c.need_launcher_flags("--slurm")
    out = c.folder / "out"
    words = ["salloc", "-N3", "--ntasks-per-node=1", "-c1", c.launcher, "--no-bind"] + arguments(out, steps=STEPS)
    c.finish(words)
    return near_solo(c, out)


@scenario("equal-bits-mpirun", "4 ranks on 2 hosts by mpirun with reproducible, against one host: bits", 120)
def bits_by_mpirun(c):
    out = c.folder / "out"
    c.finish(c.mpirun(arguments(out, steps=STEPS, reproducible=True), names=["n1", "n2"], per_host=2))
    expect_same_bits(out, c.reference("solo", steps=STEPS, reproducible=True), "one host")
    c.expect_nothing_left(out)
    return "same bits"


@scenario("equal-bits-slurm", "4 ranks on 2 hosts by srun with reproducible, against one host: bits", 120)
def bits_by_slurm(c):
    out = c.folder / "out"
    c.finish(["srun", "--mpi=pmix", "-K1", "-N2", "-n4", c.treg] + arguments(out, steps=STEPS, reproducible=True))
    expect_same_bits(out, c.reference("solo", steps=STEPS, reproducible=True), "one host")
    c.expect_nothing_left(out)
    return "same bits"


@scenario("private-disks", "3 hosts, each with a disk of its own", 120)
def private_disks(c):
    """The run's folder is on a file system that only the host sees."""
    for name in c.bed.names:
        c.bed.run(name, "mkdir", "-p", "/tmp/disk")
    c.may_leave("/tmp/disk")
    out = "/tmp/disk/out"
    c.finish(c.mpirun(arguments(out, steps=STEPS, save_steps=10)))
    expect_near_losses(c.bed.path("n1", out), c.reference("solo", steps=STEPS), TOLERANCE, "one host")
    for name in ("n2", "n3"):
        held = Finished(c.bed.path(name, out))
        expect(held.checkpoints(), f"{name} has no share of a checkpoint")
    return "losses agree"
