"""Bad input of a cluster: one clear line, before any rank starts."""

import shutil

from harness import expect, scenario
from runs import PAIRS, arguments


def refused(c, words, codes, *texts, program="treg-launch", host="n1", hosts=1, **variables):
    """A command ends with a code and one line of ours, for each host that is not fit, with all the texts; no run has begun."""
    job = c.start(words, host, **variables)
    code = job.wait(60)
    lines = [line for line in job.errors.splitlines() if line.startswith(program + ":")]
    expect(code in codes, f"ended with {code}, expected {codes}: {(lines or job.errors.strip().splitlines() or [''])[-1][:250]}")
    expect(len(lines) == hosts, f"{len(lines)} lines: {' / '.join(lines)[:400]}")
    missing = [text for text in texts if text.lower() not in lines[0].lower()]
    expect(not missing, f"no {missing} in: {lines[0]}")
    expect(not (c.folder / "out" / "run" / "metrics.jsonl").exists(), "the run began")
    left = c.bed.wait_for_no_job(5)
    expect(not left, f"left running: {[process.name for process in left]}")
    return f"{code}: {lines[0]}"


def train(c):
    return arguments(c.folder / "out")


def need_host_checks(c):
    c.need_launcher_flags("--max-restarts", "--no-host-checks")


@scenario("bad-unknown-host", "a host that no one knows", 90)
def unknown_host(c):
    need_host_checks(c)
    return refused(c, c.launch(train(c), names=["n1", "n9"]), (66, 69, 78), "n9")


@scenario("bad-host-down", "a host that is down", 90)
def host_down(c):
    need_host_checks(c)
    c.bed.control("kill", "n3")
    return refused(c, c.launch(train(c)), (69,), "n3")


@scenario("bad-host-key", "a host whose key is another one", 90)
def wrong_key(c):
    need_host_checks(c)
    keys = c.bed.bed.folder / "keys"
    other = c.folder / "known_hosts"
    user = " ".join((keys / "user.pub").read_text().split()[:2])
    known = (keys / "known_hosts").read_text().splitlines()
    other.write_text("\n".join(f"{line.split()[0]} {user}" if line.startswith("n3,") else line for line in known) + "\n")
    config = c.folder / "ssh_config"
    config.write_text((c.bed.bed.ssh_config).read_text().replace(str(keys / "known_hosts"), str(other)))
    return refused(c, c.launch(train(c), "--ssh-config", config), (69, 77), "n3", "key")


@scenario("bad-user-key", "a host that does not take our key", 90)
def refused_user(c):
    need_host_checks(c)
    config = c.folder / "ssh_config"
    config.write_text(c.bed.bed.ssh_config.read_text().replace("/keys/user", "/keys/nobody"))
    return refused(c, c.launch(train(c), "--ssh-config", config, names=["n1", "n3"]), (69, 77), "n3")


@scenario("bad-other-build", "another build on one host", 90)
def other_build(c):
    need_host_checks(c)
    other = c.folder / "treg"
    shutil.copy(c.treg, other)
    with open(other, "ab") as file:
        file.write(b"another")
    return with_bound(c, "n3", other, c.treg, lambda: refused(c, c.launch(train(c)), (69, 76, 78), "n3"))


@scenario("bad-other-data", "other data on one host", 90)
def other_data(c):
    need_host_checks(c)
    other = c.folder / "pairs.jsonl"
    other.write_text("".join(PAIRS.read_text().splitlines(keepends=True)[:-1]))
    return with_bound(c, "n3", other, PAIRS, lambda: refused(c, c.launch(train(c)), (65, 69, 76, 78), "n3"))


@scenario("bad-other-data-mpirun", "other data on one host, by plain mpirun: found by the ranks", 90)
def other_data_mpirun(c):
    other = c.folder / "pairs.jsonl"
    other.write_text("".join(PAIRS.read_text().splitlines(keepends=True)[:-1]))
    return with_bound(
        c, "n3", other, PAIRS, lambda: refused(c, c.mpirun(train(c)), (65, 76), program="treg"))


@scenario("bad-memory", "too little memory on one host", 90)
def little_memory(c):
    need_host_checks(c)
    little = c.folder / "meminfo"
    little.write_text("MemTotal: 20000 kB\nMemFree: 9000 kB\nMemAvailable: 10000 kB\nSwapTotal: 0 kB\n")
    return with_bound(c, "n3", little, "/proc/meminfo", lambda: refused(c, c.launch(train(c)), (78,), "n3", "memory"))


@scenario("bad-hostfile", "hostfiles that are missing, empty, wrong", 90)
def hostfile(c):
    c.need_launcher_flags("--hostfile")
    said = []
    for text, code, expected in (
        (None, 66, "hosts"), ("# nobody\n", 78, "hosts"), ("n1\nn2 slots=some\n", 78, "hosts:2"),
        ("n1\nn2\nn1\n", 78, "hosts:3"), ("n1\n-oProxyCommand=x\n", 78, "hosts:2"),
    ):
        words = c.launch(train(c))
        path = c.folder / "hosts"
        path.unlink() if text is None else path.write_text(text)
        said.append(refused(c, words, (code,), expected))
    return said[2]


@scenario("bad-too-many-nodes", "more nodes asked for than the hostfile has", 90)
def too_many_nodes(c):
    return refused(c, c.launch(train(c), "--nnodes", 5), (78,), "5")


@scenario("bad-no-slurm", "--slurm where there is none", 90)
def no_slurm(c):
    c.need_launcher_flags("--slurm")
    words = [c.launcher, "--slurm", "--nnodes", 3] + train(c)
    return with_bound(c, "n1", "/dev/null", "/usr/bin/sbatch", lambda: refused(c, words, (69,), "sbatch"))


@scenario("bad-no-pmix", "srun without --mpi=pmix", 90)
def no_pmix(c):
    return refused(c, ["srun", "-N3", "-n3", c.treg] + train(c), (78,), "--mpi=pmix", program="treg")


@scenario("bad-oversubscription", "more ranks and threads than a host has", 90)
def oversubscription(c):
    c.need_launcher_flags("--oversubscribe")
    return refused(c, c.launch(arguments(c.folder / "out", threads=None), "--threads", 64), (78,), "2 cores", hosts=3)


@scenario("bad-reproducible-layout", "a reproducible run on hosts that do not divide its virtual ranks", 90)
def reproducible_layout(c):
    return refused(
        c, c.launch(arguments(c.folder / "out", reproducible=True)), (78,), "3 ranks", "8 virtual_ranks", "--nnodes 2")


@scenario("bad-no-mpi", "a host without Open MPI", 90)
def no_mpi(c):
    need_host_checks(c)
    return with_bound(c, "n3", "/dev/null", "/usr/bin/orted", lambda: refused(c, c.launch(train(c)), (69,), "n3"))


def with_bound(c, host, source, target, body):
    """Runs body while one host sees something else at a path."""
    c.bed.run(host, "mount", "--bind", source, target)
    try:
        return body()
    finally:
        c.bed.run(host, "umount", target, check=False)
