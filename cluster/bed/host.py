"""One host: its first process, which prepares what is private to it, starts its daemons and lives as long as the bed."""

import os
import socket
import subprocess
import sys
import threading
import time

from . import processes, slurm, ssh
from .programs import Failure, path_of, run

# What hosts do not share: nothing of it outlives them.
PRIVATE_FOLDERS = ["/tmp", "/dev/shm", "/run"]


def start(bed, host):
    """Starts the host's first process in namespaces of its own and waits until it answers."""
    if host.pid:
        raise Failure(f"{host.name} is up", 64)
    (host.folder / "ready").unlink(missing_ok=True)
    with open(host.folder / "log", "ab") as log:
        outer = subprocess.Popen(
            [path_of("nsenter"), f"--net={host.network}", path_of("unshare"), "--uts", "--ipc", "--mount", "--pid",
             "--fork", "--mount-proc", sys.executable, bed.program, "_host", str(bed.folder), host.name],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    return outer


def wait(host, outer, seconds=20):
    """Waits until a host that was started answers, and notes its first process's number."""
    end = time.monotonic() + seconds
    while not (host.folder / "ready").exists():
        if outer.poll() is not None or time.monotonic() > end:
            lines = (host.folder / "log").read_text().strip().splitlines()
            raise Failure(f"{host.name} does not start: {lines[-1] if lines else 'it says nothing'}")
        time.sleep(0.02)
    first = processes.children(outer.pid)[0]
    (host.folder / "pid").write_text(f"{first} {processes.start_time(first)}\n")


def live(bed, host):
    """The host's first process. Ends, and everything on the host with it, when the bed's owner ends."""
    owner = os.open(bed.alive, os.O_RDONLY | os.O_NONBLOCK)
    # From the first moment: what is waited for below does not come any more when the bed is taken down meanwhile.
    threading.Thread(target=end_with, args=(owner,), daemon=True).start()
    prepare(bed, host)
    daemons = [ssh.command(host)]
    if bed.has_slurm:
        daemons += slurm.commands(bed, host)
    for words in daemons:
        subprocess.Popen(words, stdin=subprocess.DEVNULL, env=bed.environment_of(host))
        if words[0].endswith("munged"):
            slurm.wait_for_socket(bed)
    wait_for_port(host.address, 22)
    (host.folder / "ready").touch()
    while True:
        processes.reap()
        time.sleep(0.1)


def end_with(owner):
    """Ends this process, and so the host, when nobody holds the other end of the named pipe."""
    while is_held(owner):
        time.sleep(0.1)
    os._exit(0)


def is_held(owner):
    """Whether anybody holds the other end of the named pipe."""
    try:
        return os.read(owner, 1) != b""
    except BlockingIOError:
        return True


def prepare(bed, host):
    socket.sethostname(host.name)
    kept = [folder for folder in bed.shared if folder.startswith(tuple(f"{name}/" for name in PRIVATE_FOLDERS))]
    for number, folder in enumerate(kept):
        place = host.folder / f"kept-{number}"
        place.mkdir(exist_ok=True)
        run("mount", "--bind", folder, place)
    for folder in PRIVATE_FOLDERS:
        run("mount", "-t", "tmpfs", "-o", "mode=1777" if folder != "/run" else "mode=755", "tmpfs", folder)
    for number, folder in enumerate(kept):
        os.makedirs(folder, exist_ok=True)
        run("mount", "--move", host.folder / f"kept-{number}", folder)
    os.mkdir("/run/sshd")
    run("mount", "--bind", bed.folder / "hosts", "/etc/hosts")
    run("mount", "--bind", bed.ssh_config, "/etc/ssh/ssh_config")
    # sshd refuses an account whose password is locked.
    run("mount", "--bind", bed.folder / "shadow", "/etc/shadow")
    if bed.has_slurm and host is not bed.head:
        slurm.prepare_host()


def wait_for_port(address, port, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection((address, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Failure(f"nothing listens on {address}:{port}")


def kill(host):
    """Kills the host's first process, and so every process on it, as a machine that loses power."""
    pid = host.pid
    if pid is None:
        return
    processes.kill(pid)
    end = time.monotonic() + 10
    while host.pid and time.monotonic() < end:
        time.sleep(0.02)
    if host.pid:
        raise Failure(f"{host.name} does not end (process {pid})")
