"""Something that is measured: a command, and how its output becomes numbers.

A measurement is a dictionary. `seconds` is always there; `tokens`, `tokens_per_second` and `peak_memory` (bytes) where they mean
something; the rest is whatever the program tells.
"""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Callable

from .failure import Failure


@dataclass(frozen=True)
class Job:
    # Names the job in the report; sections that name the same job share its measurements.
    key: str
    # For people.
    label: str
    measure: Callable[[], dict]
    # Jobs of one family are one program with several settings, of which the best counts.
    family: str | None = None


def checked(command, environment):
    """Standard output and standard error of a command that has to succeed."""
    command = [str(word) for word in command]
    try:
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
    except OSError as error:
        raise Failure(66, f"{command[0]}: {error.strerror}") from error
    if result.returncode != 0:
        raise failed(command, result.returncode, result.stderr)
    return result.stdout, result.stderr


def failed(command, code, errors):
    tail = "\n".join(errors.strip().splitlines()[-12:])
    return Failure(70, f"exit code {code}: {' '.join(map(str, command))}\n{tail}")


def last_json(command, environment):
    """The last line on standard output that is a JSON object or list."""
    output, errors = checked(command, environment)
    for line in reversed(output.splitlines()):
        if line.startswith(("{", "[")):
            return json.loads(line)
    raise failed(command, "0, but no JSON", errors)


def steps_of_run(command, environment, scratch, epochs=1):
    """The steps of the last of so many epochs of `treg train`, as its metrics tell: those before warm it up."""
    with TemporaryDirectory(dir=scratch) as folder:
        out = Path(folder) / "run"
        checked([*command, "--out", out], environment)
        lines = [json.loads(line) for line in (out / "run" / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "perf/step_seconds" in line]
    timed = steps[len(steps) // epochs * (epochs - 1) :]
    seconds = sum(step["perf/step_seconds"] for step in timed)
    tokens = steps[-1]["num_tokens"] // epochs
    return {
        "seconds": seconds, "tokens": tokens, "tokens_per_second": tokens / seconds,
        "steps": len(timed), "peak_memory": max(step["perf/peak_memory"] for step in steps),
    }


def start_of_run(command, environment, scratch):
    """`treg train` with a single step: seconds from the start of the process to the begin of that step.

    The line about step 1 comes right after it, and the metrics tell how long the step took.
    """
    with TemporaryDirectory(dir=scratch) as folder:
        out = Path(folder) / "run"
        command = [str(word) for word in (*command, "--max-steps", "1", "--out", out)]
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
        lines, stepped = [], None
        for line in process.stderr:
            lines.append(line)
            if stepped is None and line.startswith("training 1/1"):
                stepped = time.monotonic()
        if process.wait() != 0:
            raise failed(command, process.returncode, "".join(lines))
        if stepped is None:
            raise failed(command, "0, but no line about step 1", "".join(lines))
        metrics = json.loads((out / "run" / "metrics.jsonl").read_text().splitlines()[0])
    step = metrics["perf/step_seconds"]
    return {"seconds": stepped - started - step, "step_seconds": step}
