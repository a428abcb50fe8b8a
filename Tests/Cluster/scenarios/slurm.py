"""Under a real Slurm: shards as an array, requeueing, preemption, nodes that fail. Uses the scripts that users get."""

import filecmp
import signal
import time

from context import last_line
from harness import expect, scenario
from runs import MODEL, PAIRS, Finished, arguments, expect_every_step_once, expect_same_bits
from testbed import PROJECT

SCRIPTS = PROJECT / "cluster" / "slurm"
STEPS, SAVE_STEPS = 200, 20
SHARDS = 8


def flags():
    return {"steps": STEPS, "save_steps": SAVE_STEPS}


@scenario("rewards-array", "reward shards as a Slurm array, against one job's files: bits", 180)
def rewards_array(c):
    array, single = c.folder / "array", c.folder / "single"
    c.finish(
        ["sbatch", "--wait", f"--array=0-{SHARDS - 1}%3", "--cpus-per-task=1", f"--output={c.folder}/%a.log",
         SCRIPTS / "rewards-array.sbatch", "--max-length", "256"], 120, name="array-job",
        TREG=str(c.treg), MODEL=str(MODEL), DATA=str(PAIRS), OUT=str(array))
    for shard in range(SHARDS):
        c.finish([c.treg, "rewards", "--model", MODEL, "--data", PAIRS, "--out", single, "--max-length", 256, "--threads", 1,
                  "--shard", f"{shard}/{SHARDS}"], name=f"shard-{shard}")
    names = sorted(path.name for path in single.glob("shard-*"))
    expect(len(names) == SHARDS, f"{len(names)} files")
    _, different, missing = filecmp.cmpfiles(array, single, names, shallow=False)
    expect(not different and not missing, f"different: {different}, missing: {missing}")
    trained = c.folder / "trained"
    c.solo(trained, steps=20, rewards=array)
    expect_same_bits(trained, c.reference("solo", steps=20), "a run that makes its own")
    return f"{SHARDS} files equal, and so is the run that uses them"


@scenario("rewards-launcher", "treg-launch rewards --shards, one killed", 180)
def rewards_launcher(c):
    c.need_launcher_flags("--shards")
    out, single = c.folder / "out", c.folder / "single"
    words = ["rewards", "--model", MODEL, "--data", PAIRS, "--max-length", 256]
    c.finish([c.launcher, "--shards", SHARDS, "--threads", 1] + words + ["--out", out], 120)
    for shard in range(SHARDS):
        c.finish([c.treg, *words, "--out", single, "--threads", 1, "--shard", f"{shard}/{SHARDS}"], name=f"shard-{shard}")
    names = sorted(path.name for path in single.glob("shard-*"))
    _, different, missing = filecmp.cmpfiles(out, single, names, shallow=False)
    expect(not different and not missing, f"different: {different}, missing: {missing}")
    expect((out / "manifest.json").exists(), "no manifest.json")
    (out / names[3]).unlink()
    refused = c.start([c.treg] + arguments(c.folder / "refused", steps=20, rewards=out), name="refused")
    code = refused.wait(60)
    expect(code in (65, 66) and names[3].split(".")[0] in refused.errors, f"an incomplete set: {code}: {refused.errors[-300:]}")
    return "files equal, an incomplete set is refused"


def submitted(c, out, *more, nodes=3):
    """The batch script of cluster/ in the queue of jobs that may be preempted; returns the job's number."""
    config = c.folder / "run.yaml"
    config.write_text(f"model: {MODEL}\ndata: {PAIRS}\n")
    words = [word for word in arguments(out, **flags())[1:]]
    job = c.finish(
        ["sbatch", "--parsable", "--partition=night", f"--nodes={nodes}", "--ntasks-per-node=1", "--cpus-per-task=1",
         "--signal=B:USR1@30", "--time=10:00", f"--output={c.folder}/job.log", *more, SCRIPTS / "train.sbatch", *words],
        name="sbatch", TREG=str(c.treg), CONFIG=str(config), OUT=str(out), TREG_STALL_SECONDS="10")
    return job.output.strip()


def field(c, job, name):
    for word in c.bed.run("head", "scontrol", "--oneliner", "show", "job", job, check=False).stdout.split():
        if word.startswith(name + "="):
            return word.split("=", 1)[1]
    return ""


def hasten(c, job):
    """Slurm lets a requeued job wait for two minutes. Until the last try's processes are gone it needs some of them."""
    c.wait_until(lambda: field(c, job, "JobState") == "PENDING", None, 60, "requeueing")
    c.bed.wait_for_no_job(20)
    start_now(c, job)


def start_now(c, job):
    """Starts a requeued job, but not in the second in which its last try ended: nodes revoke that try's credential by whole
    seconds, and the new one with it ("Killing non-startable batch JobId=1: Job credential revoked" in slurmctld.log)."""
    time.sleep(2)
    c.bed.run("head", "scontrol", "update", f"jobid={job}", "StartTime=now", check=False)


def wait_for_end(c, job, seconds=120):
    def is_over():
        state = field(c, job, "JobState")
        if state == "PENDING" and field(c, job, "Reason") == "BeginTime" and not c.bed.processes():
            start_now(c, job)
        return state not in ("PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "CONFIGURING")

    c.wait_until(is_over, None, seconds, "end of the job")
    log = (c.folder / "job.log").read_text(errors="replace").strip().splitlines()
    expect(field(c, job, "JobState") == "COMPLETED", f"job {field(c, job, 'JobState')}: {log[-1] if log else ''}")


def expect_same_as_unbroken(c, out):
    expect_every_step_once(out, STEPS)
    expect_same_bits(out, c.reference(" ".join(c.bed.names), **flags()), "the unbroken run")
    c.expect_nothing_left(out)


def running(c, job, out):
    finished, step = Finished(out), c.random.randint(SAVE_STEPS + 1, STEPS * 3 // 5)
    c.wait_until(lambda: finished.step() >= step or field(c, job, "JobState") == "FAILED", None, 60, f"step {step}")
    expect(finished.step() >= step, f"job FAILED: {last_line((c.folder / 'job.log').read_text(errors='replace'))}")


@scenario("slurm-preempted", "preempted by a job of a higher partition, requeued by Slurm", 240, 2)
def preempted(c):
    out = c.folder / "out"
    job = submitted(c, out)
    running(c, job, out)
    c.finish(["sbatch", "--partition=urgent", "--nodes=3", "--exclusive", "--output=/dev/null", "--wrap=sleep 2"], name="urgent")
    hasten(c, job)
    step = Finished(out).step()
    wait_for_end(c, job)
    expect(int(field(c, job, "Restarts") or 0) >= 1, "the job was not requeued")
    expect_same_as_unbroken(c, out)
    return f"checkpoint at step {step}, requeued {field(c, job, 'Restarts')} time, same bits"


@scenario("slurm-time-limit", "the signal before a time limit: checkpoint, requeued by the script", 240, 2)
def time_limit(c):
    out = c.folder / "out"
    job = submitted(c, out)
    running(c, job, out)
    c.bed.run("head", "scancel", "--batch", "--signal=USR1", job)
    hasten(c, job)
    step = Finished(out).step()
    wait_for_end(c, job)
    expect(int(field(c, job, "Restarts") or 0) == 1, f"requeued {field(c, job, 'Restarts')} times")
    expect_same_as_unbroken(c, out)
    return f"checkpoint at step {step}, requeued once, same bits"


@scenario("slurm-kill-rank", "kill -9 of a rank under srun -K1, requeued by the script", 240, 2)
def kill_rank(c):
    out = c.folder / "out"
    job = submitted(c, out)
    running(c, job, out)
    c.random.choice(list(c.bed.ranks().values())).signal(signal.SIGKILL)
    hasten(c, job)
    wait_for_end(c, job)
    expect_same_as_unbroken(c, out)
    return "requeued, same bits"


@scenario("slurm-node-lost", "a node is lost, back later; requeued by Slurm", 300)
def node_lost(c):
    out = c.folder / "out"
    job = submitted(c, out)
    running(c, job, out)
    since = time.monotonic()
    c.bed.link("n3", "down")
    c.bed.control("kill", "n3")
    c.wait_until(lambda: field(c, job, "JobState") == "PENDING", None, 120, "requeueing")
    noticed = time.monotonic() - since
    c.bed.revive()
    wait_for_end(c, job, 150)
    expect_same_as_unbroken(c, out)
    return f"requeued after {noticed:.0f} s, same bits"


@scenario("slurm-launcher-batch", "treg-launch --slurm writes and submits the job", 240)
def launcher_batch(c):
    c.need_launcher_flags("--slurm", "--wait")
    out = c.folder / "out"
    c.finish([c.launcher, "--slurm", "--wait", "--nnodes", 3, "--nproc-per-node", 1, "--no-bind", "--threads", 1, "--partition", "night"]
             + arguments(out, **flags()), 200)
    expect_same_as_unbroken(c, out)
    return "same bits"
