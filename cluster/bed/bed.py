"""A bed: its hosts, its folder, raising it and taking it down."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

from . import host as hosts
from . import namespaces, network, processes, slurm, ssh
from .programs import Failure

ROOT = pathlib.Path("/var/tmp")
NAME = "treg-testbed-"


class Host:
    def __init__(self, bed, name, number):
        self.name = name
        self.number = number
        self.address = network.address(number)
        self.folder = bed.folder / name
        self.network = bed.networks.get(name)

    @property
    def pid(self):
        """The host's first process; None when it is down."""
        try:
            pid, start = (int(word) for word in (self.folder / "pid").read_text().split())
        except (OSError, ValueError):
            return None
        return pid if processes.start_time(pid) == start else None


class Bed:
    """What `bed.json` of a folder says. Any process may use it; the one that made it, its owner, keeps it alive."""

    def __init__(self, folder, description):
        self.folder = pathlib.Path(folder)
        self.description = description
        self.networks = description["networks"]
        self.has_slurm = description["slurm"]
        self.cpus = description["cpus"]
        self.shared = description["shared"]
        self.program = description["program"]
        self.workers = [Host(self, f"n{number}", number) for number in range(1, description["hosts"] + 1)]
        self.head = Host(self, "head", 0) if self.has_slurm else None
        self.hosts = ([self.head] if self.head else []) + self.workers
        self.ssh_config = self.folder / "ssh_config"
        self.slurm_conf = self.folder / "slurm.conf"
        self.alive = self.folder / "alive"

    @classmethod
    def at(cls, folder):
        try:
            return cls(folder, json.loads((pathlib.Path(folder) / "bed.json").read_text()))
        except (OSError, ValueError, KeyError):
            raise Failure(f"{folder}: no test bed", 66) from None

    @property
    def is_owned(self):
        """Whether its owner is there: the process that the folder is named after, not another one of that number."""
        return processes.start_time(self.description["owner"]) == self.description["owner_start"]

    def host(self, name):
        for host in self.hosts:
            if host.name == name:
                return host
        raise Failure(f"{name}: no such host; there are {' '.join(host.name for host in self.hosts)}", 66)

    @property
    def environment(self):
        """What tells a command about the bed."""
        variables = {
            "TESTBED": str(self.folder),
            "TESTBED_HOSTS": " ".join(host.name for host in self.workers),
            "TESTBED_HOSTFILE": str(self.folder / "hostfile"),
            "TESTBED_SSH_CONFIG": str(self.ssh_config),
            "TESTBED_SHARED": self.shared[0],
            "TESTBED_SUBNET": network.SUBNET,
            "TESTBED_RUN": f"{self.program} enter",
        }
        if self.has_slurm:
            variables["SLURM_CONF"] = str(self.slurm_conf)
        return variables

    def environment_of(self, host):
        """The environment of a command on a host. Open MPI does not start ranks for root, whom a bed needs, without both."""
        consent = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return {**os.environ, **consent, **self.environment, "HOSTNAME": host.name, "TMPDIR": "/tmp"}

    def words_to_enter(self, host, words):
        return [self.program, "enter", host.name, "--"] + list(words)

    def enter(self, host, words):
        """Runs a command on a host; returns its code. For a process that does nothing else."""
        if host.pid is None:
            raise Failure(f"{host.name} is down", 69)
        return namespaces.run_inside(host.pid, words, self.environment_of(host))

    def output(self, host, *words, check=True, timeout=30):
        """What a command on a host prints."""
        done = subprocess.run(
            self.words_to_enter(host, words), env={**os.environ, **self.environment}, capture_output=True, text=True,
            timeout=timeout, stdin=subprocess.DEVNULL)
        if check and done.returncode:
            raise Failure(f"{host.name}: {' '.join(words)}: code {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def start(self, host):
        hosts.wait(host, hosts.start(self, host))

    def set_link(self, host, state):
        network.set_link(self.networks["switch"], host.number, state)


class OwnedBed(Bed):
    """A bed that this process raises and takes down."""

    def __init__(self, program, count, rate, with_slurm, shared, cpus):
        owner = os.getpid()
        self.rate = rate
        self.descriptors = []
        folder = ROOT / f"{NAME}{owner}"
        names = ["switch"] + (["head"] if with_slurm else []) + [f"n{number}" for number in range(1, count + 1)]
        super().__init__(folder, {
            "owner": owner, "owner_start": processes.start_time(owner), "program": program, "hosts": count,
            "slurm": with_slurm, "cpus": cpus, "shared": shared or [str(folder / "shared")],
            "networks": {name: self.new_network() for name in names}})

    def new_network(self):
        descriptor = namespaces.new_network()
        self.descriptors.append(descriptor)
        return f"/proc/{os.getpid()}/fd/{descriptor}"

    def raise_up(self):
        self.write_files()
        network.make_switch(self.networks["switch"])
        for host in self.hosts:
            network.plug(self.networks["switch"], host.network, host.number, self.rate)
        # Nodes of Slurm look for munge as they start.
        for group in ([self.head] if self.head else [], self.workers):
            for host, outer in [(host, hosts.start(self, host)) for host in group]:
                hosts.wait(host, outer)
        if self.has_slurm:
            slurm.wait_until_idle(self)

    def write_files(self):
        if self.folder.exists():
            shutil.rmtree(self.folder)  # of a process that had this number before
        self.folder.mkdir(mode=0o755)
        (self.folder / "bed.json").write_text(json.dumps(self.description))
        (self.folder / "shared").mkdir()
        for host in self.hosts:
            host.folder.mkdir()
        os.mkfifo(self.alive)
        self.descriptors.append(os.open(self.alive, os.O_RDWR))
        (self.folder / "hosts").write_text(
            "127.0.0.1 localhost\n" + "".join(f"{host.address} {host.name}\n" for host in self.hosts))
        (self.folder / "hostfile").write_text(
            "".join(f"{host.name} slots={self.cpus}\n" for host in self.workers))
        shadow = self.folder / "shadow"
        shadow.touch(mode=0o600)
        shadow.write_text("root:*:19000:0:99999:7:::\n")
        ssh.write(self)
        if self.has_slurm:
            slurm.write(self)

    def take_down(self):
        """Ends every process of the bed and removes its folder; the kernel removes namespaces and what is mounted there."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        left = processes.end_descendants()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []
        remove(self)
        if left:
            raise Failure(f"processes do not end: {left}")


def remove(bed):
    """Kills what still runs on the hosts of a bed and removes its folder."""
    for host in bed.hosts:
        hosts.kill(host)
    shutil.rmtree(bed.folder, ignore_errors=True)
    if bed.folder.exists():
        raise Failure(f"{bed.folder} cannot be removed")


def folders():
    return sorted(ROOT.glob(NAME + "*"))


def every():
    """The beds of this machine, but for those that are being made."""
    found = []
    for folder in folders():
        try:
            found.append(Bed.at(folder))
        except Failure:
            continue
    return found


def remove_leftovers():
    """Removes what beds have left whose owner was killed; returns their folders."""
    removed = []
    for folder in folders():
        try:
            bed = Bed.at(folder)
        except Failure:
            if processes.start_time(folder.name.removeprefix(NAME)) is not None:
                continue  # being made
            shutil.rmtree(folder, ignore_errors=True)
        else:
            if bed.is_owned:
                continue
            remove(bed)
        removed.append(folder)
    return removed


def current():
    """The bed of this environment, or else the only one that is up."""
    if os.environ.get("TESTBED"):
        return Bed.at(os.environ["TESTBED"])
    up = [bed for bed in every() if bed.is_owned]
    if len(up) == 1:
        return up[0]
    raise Failure("no test bed is up" if not up else f"{len(up)} test beds are up: set TESTBED to the folder of one", 66)
