"""The test bed itself leaves nothing, however it ends."""

import os
import signal
import subprocess
import time

from harness import expect, scenario
from testbed import PROGRAM, beds, read


@scenario("testbed-ends", "cluster/testbed ended at a random moment by TERM, INT or KILL", 60, 6)
def ends(c):
    number = c.random.choice([signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
    environment = {name: value for name, value in c.bed.environment.items() if not name.startswith(("TESTBED", "SLURM"))}
    process = subprocess.Popen(
        [PROGRAM, "--hosts", "2", "--slurm", "--", "sleep", "1000"], env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    moment = c.random.uniform(0.1, 3)
    time.sleep(moment)
    process.send_signal(number)
    code = process.wait(20)
    if number == signal.SIGKILL:
        expect(code == -9, f"ended with {code}")
        subprocess.run([PROGRAM, "down"], env=environment, check=True, timeout=20, stdout=subprocess.DEVNULL)
    else:
        # Before Python has set up what it does about signals, they end it.
        expect(code in (128 + number, -number), f"ended with {code} after signal {number}")
    folder = beds.ROOT / f"{beds.NAME}{process.pid}"
    expect(not folder.exists(), f"{folder} is left")
    c.wait_until(lambda: not processes_of(folder), None, 5, f"end of {processes_of(folder)}")
    return f"nothing left (last: signal {int(number)} after {moment:.1f} s)"


def processes_of(folder):
    """Processes that were started with the bed's folder among their words."""
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and f"{folder}/" in read(f"/proc/{pid}/cmdline") + "/"]
