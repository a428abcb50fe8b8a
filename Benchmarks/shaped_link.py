#!/usr/bin/env python3
"""How much of the gradient's way between two hosts is hidden behind the backward pass, on a link of a given rate.

Two network namespaces of this machine stand for hosts, joined by a veth pair that tbf shapes on both ends; no traffic goes
anywhere else. One rank runs in each. Every step has one micro-batch of about TOKENS tokens a rank, and is run with gradients
that leave during the pass and with gradients that leave after it:

    hidden = 1 - wait after the pass / wait when nothing leaves earlier

Stepped weights go back either right after the optimizer's step or during the next forward pass; what that takes, or how long the pass
stands still for it, is told beside. Needs root, iproute2, Open MPI and the model:

    Benchmarks/shaped_link.py --treg .build/release/treg --model "$(python3 demo/fetch_model.py)"
"""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

HOSTS = ["treg-link-a", "treg-link-b"]
ADDRESSES = ["10.99.77.1", "10.99.77.2"]


def run(*arguments, **options):
    return subprocess.run(arguments, check=True, **options)


class Link:
    """Two hosts and the link between them, gone when the block ends."""

    def __init__(self, rate, folder):
        self.rate = rate
        self.folder = folder
        self.agent = folder / "agent"

    def __enter__(self):
        self.remove()
        try:
            self.make()
        except BaseException:
            self.remove()
            raise
        return self

    def make(self):
        for host in HOSTS:
            run("ip", "netns", "add", host)
        run("ip", "link", "add", "eth0", "netns", HOSTS[0], "type", "veth", "peer", "name", "eth0", "netns", HOSTS[1])
        names = "127.0.0.1 localhost\n" + "".join(f"{a} {h}\n" for a, h in zip(ADDRESSES, HOSTS))
        for host, address in zip(HOSTS, ADDRESSES):
            run("ip", "-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ["lo", "eth0"]:
                run("ip", "-n", host, "link", "set", device, "up")
            if self.rate != "none":
                shape = f"dev eth0 root tbf rate {self.rate} burst 128kb latency 20ms"
                run("tc", "-n", host, "qdisc", "add", *shape.split())
            # What `ip netns exec` shows as /etc/hosts.
            etc = pathlib.Path("/etc/netns") / host
            etc.mkdir(parents=True)
            (etc / "hosts").write_text(names)
        # Stands for ssh: the name of a host, then a command.
        self.agent.write_text(
            '#!/bin/sh\nhost=$1; shift\nexec ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"\n'
        )
        self.agent.chmod(0o755)

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        for host in HOSTS:
            subprocess.run(["ip", "netns", "del", host], stderr=subprocess.DEVNULL)
            etc = pathlib.Path("/etc/netns") / host
            (etc / "hosts").unlink(missing_ok=True)
            if etc.is_dir():
                etc.rmdir()

    def mpirun(self, command, environment):
        words = ["mpirun.openmpi", "--allow-run-as-root", "--host", ",".join(HOSTS), "-np", "2", "--map-by", "node"]
        words += ["--bind-to", "none", "--mca", "plm_rsh_agent", str(self.agent), "--mca", "btl", "tcp,self"]
        words += ["--mca", "btl_tcp_if_include", "eth0", "--mca", "oob_tcp_if_include", "eth0"]
        for name, value in environment.items():
            words += ["-x", f"{name}={value}"]
        inner = f"hostname {HOSTS[0]}; exec {shlex.join(words + command)}"
        done = subprocess.run(
            ["ip", "netns", "exec", HOSTS[0], "unshare", "--uts", "sh", "-c", inner], stdout=subprocess.PIPE, text=True
        )
        if done.returncode:
            sys.exit(f"mpirun ended with {done.returncode}")
        return json.loads(done.stdout)


def rows(path, count, tokens):
    """Pairs of equal length: a word of one token each, prompt and both responses a third."""
    words = tokens // 3 - 2
    with open(path, "w") as file:
        for row in range(count):
            text = [" ".join(word for _ in range(words)) for word in ["one", "two", "three"]]
            file.write(json.dumps({"prompt": f"{row} {text[0]}", "chosen": text[1], "rejected": text[2]}) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treg", default=".build/release/treg")
    parser.add_argument("--model", required=True)
    parser.add_argument("--rate", default="1gbit", help="of the link, as tc writes it; none: not shaped")
    parser.add_argument("--tokens", type=int, default=2048, help="of a rank's micro-batch")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--wire", default="float32", help="float32 or bfloat16")
    options = parser.parse_args()
    if os.geteuid():
        sys.exit("namespaces need root")
    pairs = max(1, options.tokens // 512)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        data = folder / "pairs.jsonl"
        # The first step of every run is not counted: connections are made, and pages touched.
        rows(data, 2 * pairs * (options.steps + 1), options.tokens // pairs)
        command = [os.path.abspath(options.treg), "bench", "step", "--json", "--model", os.path.abspath(options.model)]
        command += ["--data", str(data), "--loss-type", "simpo", "--treg-alpha", "0", "--threads", "1", "--wire", options.wire]
        command += ["--rows", str(2 * pairs), "--batch", str(2 * pairs), "--repeats", str(options.steps + 1)]
        command += ["--micro-batch-tokens", str(2 * options.tokens)]
        with Link(options.rate, folder) as link:
            reports = {
                name: link.mpirun(command, {"TREG_OVERLAP": choice, "TREG_CACHE": "off"})
                for name, choice in [("after", "no"), ("during", "yes")]
            }
    print(f"{options.rate}, {options.wire}, {reports['after']['shared_tokens'] / 2:.0f} tokens a rank, medians of steps")
    waits, gathers = {}, {}
    for name, report in reports.items():
        waits[name] = statistics.median(report["exchange_seconds_of_repeats"][1:])
        seconds = statistics.median(report["seconds_of_repeats"][1:])
        gathers[name] = statistics.median(report["gather_seconds_of_repeats"][1:])
        served = statistics.median(report["served_seconds_of_repeats"][1:])
        print(
            f"gradients leave {name:6} the pass: wait {waits[name]:.3f} s, step with gather {seconds:.2f} s,"
            f" pass stood still {served:.3f} s; wait for weights {gathers[name]:.3f} s"
        )
    print(f"hidden of the sum: {100 * (1 - waits['during'] / waits['after']):.1f} %")
    print(f"hidden of the gather: {100 * (1 - gathers['during'] / gathers['after']):.1f} %")


if __name__ == "__main__":
    main()
