"""Drives cluster/testbed: a bed that is up, commands on its hosts, and what is left on them."""

import os
import pathlib
import signal
import subprocess
import sys
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "cluster"))

from bed import bed as beds  # noqa: E402
from bed import processes  # noqa: E402

PROGRAM = str(PROJECT / "cluster" / "testbed")
# Variables of an outer job would tell ranks something that is not so.
FOREIGN = ("OMPI_", "PMI", "SLURM_", "TREG_", "TESTBED")
# What runs on a host for a job. Daemons of the host are none of it.
MPIRUN = ("mpirun", "mpirun.openmpi", "orterun")
SPOOL = "/run/slurmd"
JOB_PROGRAMS = {"treg", "treg-launch", *MPIRUN, "orted", "mpiexec.hydra", "hydra_pmi_proxy", "srun", "slurmstepd", "slurm_script", "ssh"}


class Process:
    """A program on a host, by its number on this machine."""

    def __init__(self, pid):
        self.pid = pid
        self.start = processes.start_time(pid)
        self.name = read(f"/proc/{pid}/comm").strip()
        self.environment = dict(
            entry.split("=", 1) for entry in read(f"/proc/{pid}/environ").split("\0") if "=" in entry)

    @property
    def rank(self):
        for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"):
            if self.environment.get(name, "").isdigit():
                return int(self.environment[name])
        return None

    @property
    def lives(self):
        return self.start is not None and processes.start_time(self.pid) == self.start

    def signal(self, number):
        os.kill(self.pid, number)


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def namespace(pid):
    """Which namespace of processes one is in: its host."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


class Job:
    """A command on a host, with what it prints in files."""

    def __init__(self, words, environment, folder, name):
        self.words = [str(word) for word in words]
        self.stdout, self.stderr = folder / f"{name}.out", folder / f"{name}.err"
        with open(self.stdout, "wb") as out, open(self.stderr, "wb") as err:
            self.process = subprocess.Popen(
                self.words, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)

    @property
    def is_running(self):
        return self.process.poll() is None

    @property
    def errors(self):
        return self.stderr.read_text(errors="replace")

    @property
    def output(self):
        return self.stdout.read_text(errors="replace")

    def wait(self, seconds):
        """The code; 124 when it had to be killed."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            return 124
        return code if code >= 0 else 128 - code

    def signal(self, number):
        """Sends a signal to the command itself, past the program that entered the host for it."""
        for pid in processes.children(self.process.pid):
            os.kill(pid, number)

    def end(self):
        if self.is_running:
            self.process.kill()
            self.process.wait()


class TestBed:
    """A bed with Slurm that stays up for all scenarios."""

    def __init__(self, hosts=3):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        self.process = subprocess.Popen(
            [PROGRAM, "--hosts", str(hosts), "--slurm"], env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=lambda: processes.dies_with_parent(signal.SIGTERM))
        folder = None
        for line in self.process.stdout:
            if line.startswith("export TESTBED="):
                folder = line.split("=", 1)[1].strip().strip("'")
            if line.strip() == "up":
                break
        else:
            code = self.process.wait()
            print(self.process.stderr.read().strip(), file=sys.stderr)
            raise SystemExit(code)
        self.bed = beds.Bed.at(folder)
        self.environment = {**environment, **self.bed.environment}

    @property
    def names(self):
        return [host.name for host in self.bed.workers]

    def down(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def words(self, host, command):
        return [PROGRAM, "enter", host, "--"] + [str(word) for word in command]

    def job(self, host, command, folder, name, **variables):
        return Job(self.words(host, command), self.environment | variables, folder, name)

    def run(self, host, *command, seconds=30, check=True, **variables):
        done = subprocess.run(
            self.words(host, command), env=self.environment | variables, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=seconds)
        if check and done.returncode:
            raise RuntimeError(f"{host}: {' '.join(map(str, command))}: {done.returncode}: {done.stderr.strip()}")
        return done

    def control(self, *words):
        subprocess.run([PROGRAM, *words], env=self.environment, check=True, timeout=40)

    def link(self, host, state):
        self.control("link", host, state)

    def revive(self):
        """Brings back hosts that were killed and links that were cut."""
        for host in self.bed.hosts:
            self.link(host.name, "up")
            if host.pid is None:
                self.control("start", host.name)

    def processes(self, *names, host=None):
        """Processes of a job, on all hosts or one."""
        places = {namespace(place.pid) for place in self.bed.hosts if place.pid and host in (None, place.name)}
        inside = [Process(int(pid)) for pid in os.listdir("/proc") if pid.isdigit() and namespace(pid) in places]
        return [process for process in inside if process.start and process.name in (names or JOB_PROGRAMS)]

    def ranks(self, host=None):
        return {process.rank: process for process in self.processes("treg", host=host) if process.rank is not None}

    def kill_jobs(self):
        for process in self.processes():
            processes.kill(process.pid)

    def path(self, host, path):
        """A path as a host sees it, for this machine."""
        return pathlib.Path(f"/proc/{self.bed.host(host).pid}/root{path}")

    def private_files(self):
        """What lies in folders that only one host sees: host and name."""
        found = []
        for host in self.bed.hosts:
            if host.pid:
                for folder in ("/tmp", "/dev/shm"):
                    found += [f"{host.name}:{folder}/{name}" for name in os.listdir(self.path(host.name, folder))]
                # Slurm's folder on a node, where its PMIx has sockets.
                found += [f"{host.name}:{SPOOL}/{path.name}" for path in self.path(host.name, SPOOL).glob("*pmix*")]
        return found

    def clear_private_files(self):
        for place in self.private_files():
            host, path = place.split(":", 1)
            self.run(host, "rm", "-rf", path, check=False)

    def keep_logs(self, folder):
        """Copies what Slurm and the hosts have told, and what Slurm knows of its jobs, before the bed forgets it."""
        place = folder / "logs"
        place.mkdir(exist_ok=True)
        for file in self.bed.folder.rglob("*log"):
            if file.is_file():
                (place / "-".join(file.relative_to(self.bed.folder).parts)).write_bytes(file.read_bytes())
        jobs = self.run("head", "scontrol", "--details", "show", "job", check=False)
        (place / "jobs").write_text(jobs.stdout + jobs.stderr)

    def wait_for_no_job(self, seconds):
        """Waits until no process of a job is left; returns those that are."""
        end = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.1)
        return left
