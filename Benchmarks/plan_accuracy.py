#!/usr/bin/env python3
"""What `treg-launch plan` foresees beside what is measured: 1, 2 and 4 ranks of this machine, and two hosts over a shaped link.

Every repeat plans and measures each case in turn, on the same rows: SimPO, so that a step is training alone. Four ranks have half
a core each where there are two. Of the two hosts, each plans for itself on one core while the other does, since the real ones share
this machine's memory, too. Hosts are network namespaces (shaped_link.py), which need root, iproute2 and Open MPI; without root they are
left out.

    Benchmarks/plan_accuracy.py --model "$(python3 demo/fetch_model.py)" --data pairs.jsonl
"""

import argparse
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import shaped_link

CLUSTER = "nodes: {nodes}\ncores: {cores}\nmemory: 1 TB\nlatency: 50 us\nbandwidth: 1 Gbit/s\n"
LINK_RATE = "1gbit"


def output(process):
    text, errors = process.communicate()
    if process.returncode:
        sys.exit(f"{process.args[0]} ended with {process.returncode}:\n{errors or text}")
    return text


class Case:
    """Ranks of some threads on some nodes."""

    def __init__(self, options, folder, ranks, threads, data, batch, rows, nodes=1, extra=()):
        self.name = f"{ranks} × {threads}" + (f" on {nodes} hosts, {LINK_RATE}" if nodes > 1 else "")
        self.ranks, self.threads, self.nodes = ranks, threads, nodes
        self.options, self.folder = options, folder
        self.batch, self.rows = batch, rows
        self.flags = ["--model", os.path.abspath(options.model), "--data", str(data), "--loss-type", "simpo"]
        self.flags += ["--treg-alpha", "0", "--threads", str(threads), *extra]
        self.planned, self.measured = [], []

    def plan(self):
        """Tokens a second; where there are two hosts, the slower one's."""
        cluster = self.folder / "cluster.yaml"
        cores = self.ranks // self.nodes * self.threads
        cluster.write_text(CLUSTER.format(nodes=self.nodes, cores=min(cores, os.cpu_count())))
        command = [os.path.abspath(self.options.launch), "--nproc-per-node", str(self.ranks // self.nodes)]
        command += ["--threads", str(self.threads), "--oversubscribe", "--no-bind", "plan", "--cluster", str(cluster), "train"]
        command += [*self.flags, "--global-batch-size", str(self.batch // self.nodes), "--out", str(self.folder / "out")]
        hosts = [
            subprocess.Popen(["taskset", "-c", str(core), *command] if self.nodes > 1 else command,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for core in range(self.nodes)
        ]
        rates = []
        for text in [output(host) for host in hosts]:
            line = next(
                line for line in text.splitlines() if re.match(rf"\s*{self.nodes}\s+{self.ranks} × {self.threads}\s", line)
            )
            # nodes, ranks × threads, batch, memory, step, passes, exposed, tokens/s
            columns = re.split(r"\s{2,}", line.strip())
            rates.append(float(columns[7].replace(",", "")))
        return min(rates)

    def measure(self, link=None):
        command = [os.path.abspath(self.options.treg), "bench", "step", "--json", "--rows", str(self.rows)]
        # The first repeat meets fresh memory and does not count.
        command += ["--batch", str(self.batch), "--repeats", "2", *self.flags]
        environment = {"TREG_CACHE": "off"}
        if link:
            report = link.mpirun(command, environment)
        else:
            words = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", str(self.ranks)]
            words = words if self.ranks > 1 else []
            text = output(
                subprocess.Popen(words + command, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
            )
            report = json.loads(next(line for line in text.splitlines() if line.startswith("{")))
        return report["tokens"] / report["seconds_of_repeats"][-1]

    def round(self, link=None):
        self.planned.append(self.plan())
        with link or contextlib.nullcontext() as link:
            self.measured.append(self.measure(link))
        print(f"{self.name}: {self.planned[-1]:.1f} foreseen, {self.measured[-1]:.1f} measured", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treg", default=".build/release/treg")
    parser.add_argument("--launch", default=".build/release/treg-launch")
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, help="pairs as lines of JSON; the first --rows count")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        data = folder / "pairs.jsonl"
        with open(options.data) as file:
            data.write_text("".join(itertools.islice(file, options.rows)))
        cases = [
            Case(options, folder, ranks, threads, data, options.batch, options.rows)
            for ranks, threads in [(1, os.cpu_count()), (2, max(1, os.cpu_count() // 2)), (4, max(1, os.cpu_count() // 4))]
        ]
        linked = None
        if os.geteuid() == 0 and shutil.which("ip"):
            even = folder / "even.jsonl"
            # Eight pairs of 510 tokens a step, four of them a rank's micro-batch.
            shaped_link.rows(even, 8, 512)
            linked = Case(options, folder, 2, 1, even, 8, 8, nodes=2, extra=["--micro-batch-tokens", "4096"])
        for _ in range(options.repeats):
            for case in cases:
                case.round()
            if linked:
                linked.round(shaped_link.Link(LINK_RATE, folder))
    print(f"{'ranks × threads':28} {'foreseen':>9} {'measured':>9} tokens/s {'off by':>8}")
    for case in cases + [linked] * bool(linked):
        planned, measured = statistics.median(case.planned), statistics.median(case.measured)
        print(f"{case.name:28} {planned:9.1f} {measured:9.1f} {'':8} {100 * (planned / measured - 1):+7.1f} %", end="")
        print("   ", " ".join(f"{100 * (p / m - 1):+.1f}" for p, m in zip(case.planned, case.measured)))


if __name__ == "__main__":
    main()
