"""Runs of a small model: their commands, and their folders as users find them."""

import hashlib
import json
import pathlib

from harness import Failed, expect
from testbed import PROJECT

GOLDEN = PROJECT / "Tests" / "EndToEndTests" / "Golden"
MODEL, PAIRS = GOLDEN / "model", GOLDEN / "pairs.jsonl"


def arguments(out, steps=20, save_steps=None, **more):
    """`train` and its flags. Ten pairs of a step are three ranks' worth."""
    flags = {
        "model": MODEL, "data": PAIRS, "out": out, "max-length": 256, "threads": 1, "global-batch-size": 12,
        "max-steps": steps, "learning-rate": "1e-3", "save-steps": save_steps, **{key.replace("_", "-"): value for key, value in more.items()}}
    words = ["train"]
    for name, value in flags.items():
        if value is not None:
            words += [f"--{name}", str(value).lower() if isinstance(value, bool) else str(value)]
    return words


class Finished:
    """A run's folder."""

    def __init__(self, out):
        self.out = pathlib.Path(out)

    def metrics(self):
        """Lines of training steps; a half one at the end, of a run under way, is passed over."""
        lines = []
        try:
            text = (self.out / "run" / "metrics.jsonl").read_text()
        except OSError:
            return []
        for line in text.splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return [line for line in lines if "loss" in line and "eval_loss" not in line]

    def step(self):
        lines = self.metrics()
        return lines[-1]["step"] if lines else 0

    def losses(self):
        return [line["loss"] for line in self.metrics()]

    def weights(self):
        """A hash of the trained model's files."""
        files = sorted(self.out.glob("model*.safetensors"))
        expect(files, f"{self.out.name}: no trained model")
        digest = hashlib.sha256()
        for file in files:
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def status(self):
        try:
            return json.loads((self.out / "run" / "status.json").read_text())
        except (OSError, ValueError):
            return {}

    def errors(self):
        """Error files of ranks, the earliest first."""
        found = []
        for file in (self.out / "run" / "errors").glob("rank-*.json"):
            try:
                found.append(json.loads(file.read_text()))
            except ValueError:
                raise Failed(f"{file.name} is no JSON") from None
        return sorted(found, key=lambda report: report.get("time", 0))

    def checkpoints(self):
        """Names, the newest last."""
        return sorted((path.name for path in self.out.glob("checkpoint-*")), key=lambda name: int(name.split("-")[1]))

    def unfinished(self):
        """Files and folders under names that are not final."""
        return sorted(
            str(path.relative_to(self.out)) for path in self.out.rglob(".*")
            if "unfinished" in path.name or ".tmp" in path.name or path.name.endswith(".partial"))


def expect_every_step_once(out, steps):
    found = [line["step"] for line in Finished(out).metrics()]
    expect(found == list(range(1, steps + 1)), f"metrics have steps {found[:3]}…{found[-3:]} ({len(found)} of {steps})")


def expect_same_bits(out, reference, what):
    expect(Finished(out).weights() == Finished(reference).weights(), f"weights differ from {what}'s")
    expect(Finished(out).losses() == Finished(reference).losses(), f"losses differ from {what}'s, weights do not")


def expect_near_losses(out, reference, tolerance, what):
    """Relative to the larger of 1 and the loss; returns the largest difference."""
    losses, expected = Finished(out).losses(), Finished(reference).losses()
    expect(len(losses) == len(expected) > 0, f"{len(losses)} losses, {len(expected)} of {what}")
    worst = max(abs(a - b) / max(1, abs(b)) for a, b in zip(losses, expected))
    expect(worst <= tolerance, f"losses differ from {what}'s by {worst:.1e}, at most {tolerance:.0e} were allowed")
    return worst
