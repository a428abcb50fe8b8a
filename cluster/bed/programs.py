"""The system's programs that a test bed needs, and how they are called."""

import os
import shutil
import subprocess

# Programs by the Debian package that has them.
BASE = {
    "ip": "iproute2",
    "tc": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
}
SLURM = {
    "munged": "munge",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "srun": "slurm-client",
}
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"])


class Failure(Exception):
    """What cannot be done, in one line, and the code to end with."""

    def __init__(self, message, code=70):
        super().__init__(message)
        self.code = code


def path_of(program):
    """The program's path, also from the folders that only root searches."""
    return shutil.which(program, path=SEARCH)


def demand(slurm):
    """Ends with 77 without root, and with 69 and the line that installs what is missing."""
    if os.geteuid() != 0:
        raise Failure("namespaces need root", 77)
    needed = BASE | (SLURM if slurm else {})
    missing = sorted({package for program, package in needed.items() if not path_of(program)})
    if missing:
        raise Failure("missing; run: apt-get install --no-install-recommends " + " ".join(missing), 69)


def run(*words, timeout=20, check=True, **options):
    """Runs a program to its end and returns what it printed."""
    words = [str(word) for word in words]
    words[0] = path_of(words[0]) or words[0]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, **options)
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(words)}: no end after {timeout} s") from None
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Failure(f"{' '.join(words)}: code {done.returncode}: {said[-1] if said else 'says nothing'}")
    return done.stdout
