"""Namespaces of Linux: networks that a descriptor holds, and entering those of a host."""

import ctypes
import os
import signal

from . import processes

NEW_NETWORK = 0x40000000
KINDS = ["net", "uts", "ipc", "mnt", "pid"]


def checked(result, what):
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def new_network():
    """A network namespace that lives as long as the descriptor that is returned, or anything inside."""
    made, gone = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(gone[1])
            checked(processes.LIBC.unshare(NEW_NETWORK), "unshare")
            os.write(made[1], b".")
            os.read(gone[0], 1)
        finally:
            os._exit(0)
    os.close(made[1])
    os.close(gone[0])
    try:
        if os.read(made[0], 1) != b".":
            raise OSError("no network namespace could be made")
        return os.open(f"/proc/{child}/ns/net", os.O_RDONLY)
    finally:
        os.close(made[0])
        os.close(gone[1])
        os.waitpid(child, 0)


def run_inside(pid, words, environment):
    """Runs a command in all namespaces of a process, in this folder if it is there; returns its code.

    The command gets the signals that this process gets, and ends with it.
    """
    folder = os.getcwd()
    descriptors = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in KINDS]
    for descriptor in descriptors:
        checked(processes.LIBC.setns(descriptor, 0), "setns")
        os.close(descriptor)
    child = os.fork()
    if child == 0:
        processes.dies_with_parent()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            os.chdir(folder)
        except OSError:
            os.chdir("/")
        try:
            os.execvpe(words[0], words, environment)
        except OSError as error:
            os.write(2, f"testbed: {words[0]}: {error.strerror}\n".encode())
            os._exit(127)
    return processes.attend(child)
