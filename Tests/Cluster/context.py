"""What scenarios work with: programs, a bed, folders, and runs to compare with."""

import fnmatch
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from harness import Failed, NotAvailable, expect
from runs import Finished, arguments
from testbed import TestBed

# Open MPI binds the first rank of every host to the same core of this one machine unless told not to.
MPIRUN = ["mpirun", "--quiet", "--bind-to", "none", "--mca", "btl", "tcp,vader,self"]
# Time for processes to end after a run has ended.
SETTLE_SECONDS = 10
# What Open MPI leaves when mpirun or its daemons are killed and no launcher of ours has given it folders of the run's own.
FILES_OF_OPEN_MPI = ("/tmp/ompi.*", "/dev/shm/vader_segment.*", "/dev/shm/osc_sm.*")


class Context:
    def __init__(self, binaries, keep):
        self.treg = binaries / "treg"
        self.launcher = binaries / "treg-launch"
        self.keep = keep
        self.references = {}
        self.help = {}
        self.bed = TestBed()
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="treg-cluster-", dir="/var/tmp"))
        self.jobs = []

    def close(self):
        self.bed.down()
        if not self.keep:
            shutil.rmtree(self.work)

    # A try

    def begin(self, name, number, random):
        self.random = random
        self.folder = self.work / f"{name}-{number}"
        self.folder.mkdir()
        self.jobs = []
        self.tolerated = []

    def end(self, state):
        """Whatever a try did, the next one finds the hosts as they were."""
        if state == "FAIL" and self.keep:
            self.bed.keep_logs(self.folder)
        for job in self.jobs:
            job.end()
        self.bed.run("head", "scancel", "--full", "--user=root", check=False)
        self.bed.revive()
        self.bed.kill_jobs()
        self.bed.wait_for_no_job(SETTLE_SECONDS)
        self.bed.clear_private_files()

    def need_launcher_flags(self, *flags):
        """Not available, unless the launcher has these flags."""
        if "launcher" not in self.help:
            done = subprocess.run([str(self.launcher), "--help"], capture_output=True, text=True)
            self.help["launcher"] = done.stdout + done.stderr
        missing = [flag for flag in flags if flag not in self.help["launcher"]]
        if missing:
            raise NotAvailable(f"treg-launch has no {' '.join(missing)}")

    def need_worker_flag(self, flag, what):
        """Not available, unless the worker has what came with a flag."""
        if "worker" not in self.help:
            done = subprocess.run([str(self.treg), "train", "--help"], capture_output=True, text=True)
            self.help["worker"] = done.stdout
        if flag not in self.help["worker"]:
            raise NotAvailable(f"treg has no {what}")

    # Starting runs

    def start(self, words, host="n1", name="run", **variables):
        job = self.bed.job(host, words, self.folder, name, **{"TREG_CACHE": "off", "TREG_DRILL": "", "TREG_STALL_SECONDS": "20"} | variables)
        self.jobs.append(job)
        return job

    def hostfile(self, names, slots=2):
        path = self.folder / "hosts"
        path.write_text("".join(f"{name} slots={slots}\n" for name in names))
        return path

    def hostfile_for_mpich(self, names, slots=2):
        path = self.folder / "hosts"
        path.write_text("".join(f"{name}:{slots}\n" for name in names))
        return path

    def mpirun(self, words, names=None, per_host=1):
        names = names or self.bed.names
        subnet = self.bed.environment["TESTBED_SUBNET"]
        return MPIRUN + [
            "--hostfile", self.hostfile(names), "--mca", "btl_tcp_if_include", subnet, "--mca", "oob_tcp_if_include", subnet,
            "-x", "TREG_CACHE", "-x", "TREG_DRILL", "-x", "TREG_STALL_SECONDS", "--map-by", f"ppr:{per_host}:node", "-np", len(names) * per_host, self.treg] + words

    def launch(self, words, *flags, names=None, per_host=1):
        return [self.launcher, "--hostfile", self.hostfile(names or self.bed.names), "--nproc-per-node", per_host,
                "--no-bind", *flags] + words

    def finish(self, words, seconds=60, host="n1", name="run", **variables):
        """Runs a command to its end, which has to be 0."""
        job = self.start(words, host, name, **variables)
        code = job.wait(seconds)
        expect(code == 0, f"{name} ended with {code}: {last_line(job.errors)}")
        return job

    def solo(self, out, **flags):
        return self.finish([self.treg] + arguments(out, **flags), name=pathlib.Path(out).name)

    def reference(self, layout, drill="", **flags):
        """The unbroken run of a layout, made once: "solo", or names of hosts."""
        key = (layout, drill, *sorted(flags.items()))
        if key not in self.references:
            out = self.work / f"reference-{len(self.references)}"
            words = arguments(out, **flags)
            words = [self.treg] + words if layout == "solo" else self.mpirun(words, names=layout.split())
            self.finish(words, 120, name=out.name, TREG_DRILL=drill)
            self.references[key] = out
        return self.references[key]

    # Watching runs

    def wait_for_step(self, job, out, step, seconds=40):
        """Waits until a step is in the metrics."""
        finished = Finished(out)
        self.wait_until(lambda: finished.step() >= step, job, seconds, f"step {step}")

    def wait_until(self, condition, job, seconds, what):
        end = time.monotonic() + seconds
        while not condition():
            if job and not job.is_running:
                raise Failed(f"ended with {job.wait(1)} before {what}: {last_line(job.errors)}")
            if time.monotonic() > end:
                raise Failed(f"no {what} within {seconds} s: {last_line(job.errors) if job else ''}")
            time.sleep(0.01)

    def time_until_gone(self, processes, since, seconds=30):
        """Seconds until processes have ended, which they do in bounded time."""
        while any(process.lives for process in processes):
            if time.monotonic() - since > seconds:
                left = ", ".join(f"{process.name} of rank {process.rank}" for process in processes if process.lives)
                raise Failed(f"still there {seconds} s after the fault: {left}")
            time.sleep(0.02)
        return time.monotonic() - since

    def kill_launcher(self, seconds=30):
        """Kills the launcher, and returns the seconds after which nothing that it had started runs any more."""
        since = time.monotonic()
        for launcher in self.bed.processes("treg-launch", host="n1"):
            launcher.signal(signal.SIGKILL)
        left = self.bed.wait_for_no_job(seconds)
        expect(not left, f"left running after {seconds} s: {', '.join(sorted({process.name for process in left}))}")
        return time.monotonic() - since

    def expect_code(self, job, code, seconds):
        found = job.wait(seconds)
        wanted = code if isinstance(code, tuple) else (code,)
        expect(found in wanted, f"ended with {found}, expected {' or '.join(map(str, wanted))}: {last_line(job.errors)}")
        return found

    def may_leave(self, *patterns):
        """Names paths that this try may leave on hosts, for a reason that the scenario tells."""
        self.tolerated += patterns

    def expect_nothing_left(self, out, seconds=SETTLE_SECONDS):
        """No process on any host, and no file that is not meant to stay, on hosts or in the run's folder."""
        self.expect_clean_hosts(seconds)
        unfinished = Finished(out).unfinished()
        expect(not unfinished, f"left in the run's folder: {', '.join(unfinished)}")

    def expect_clean_hosts(self, seconds=SETTLE_SECONDS):
        """What holds after every scenario that passes: hosts have no process of a job, nor a file that they had not before."""
        left = self.bed.wait_for_no_job(seconds)
        expect(not left, "left running: " + ", ".join(f"{process.name} ({process.pid})" for process in left))
        # Who removes files may do it a moment after the last process of a run has ended.
        end = time.monotonic() + seconds
        while (files := self.files_left()) and time.monotonic() < end:
            time.sleep(0.1)
        expect(not files, f"left on hosts: {', '.join(files)}")

    def files_left(self):
        return [file for file in self.bed.private_files()
                if not any(fnmatch.fnmatch(file.split(":", 1)[1], pattern) for pattern in self.tolerated)]


def last_line(text):
    """The last line that is not mpirun's frame around a message."""
    lines = [line for line in text.splitlines() if line.strip() and not set(line.strip()) <= set("-=")]
    said = [line for line in lines if line.startswith(("treg:", "treg-launch:"))]
    return (said or lines or ["it says nothing"])[-1].strip()[:300]
