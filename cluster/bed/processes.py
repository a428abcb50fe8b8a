"""Processes by their numbers: who lives, who descends from whom, and waiting for one with its signals passed on."""

import ctypes
import os
import signal
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# `si_code` of a signal that the kernel made, as the terminal's Ctrl-C: it reaches the whole foreground group.
SI_KERNEL = 0x80
FORWARDED = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2]


def dies_with_parent(number=signal.SIGKILL):
    """This process gets a signal when its parent ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def adopts_orphans():
    """Descendants whose parent ends become children of this process."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start_time(pid):
    """When a process started, in clock ticks since boot; with its number it is a name used once. None: it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def end_descendants(seconds=10):
    """Kills all descendants of this process; returns those that did not go."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        left = descendants(os.getpid())
        for pid in left:
            kill(pid)
        reap()
        if not left:
            return []
        time.sleep(0.02)
    return descendants(os.getpid())


def reap():
    """Takes note of children that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def attend(child, grace=None):
    """Waits for a child and passes signals on to it; returns its code, 128 + n after signal n.

    A signal from the terminal has reached the child already. With `grace`, a child that is still there so many seconds
    after the first of them is killed; a second one kills it at once.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED + [signal.SIGCHLD])
    deadline = None
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if deadline and time.monotonic() > deadline:
            kill(child)
        info = signal.sigtimedwait(FORWARDED + [signal.SIGCHLD], 0.5)
        if info is None or info.si_signo == signal.SIGCHLD:
            continue
        if info.si_code != SI_KERNEL:
            os.kill(child, info.si_signo)
        if grace is not None and info.si_signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            deadline = time.monotonic() + (0 if deadline else grace)
