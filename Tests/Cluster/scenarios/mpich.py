"""The launcher with MPICH's mpirun (Hydra), whose words, labels and messages are other ones than Open MPI's."""

import pathlib

from harness import NotAvailable, expect, scenario
from runs import arguments, expect_every_step_once, expect_near_losses

HYDRA = {"mpirun": "mpiexec.hydra", "hydra_pmi_proxy": "hydra_pmi_proxy"}
PLACES = [pathlib.Path(folder) for folder in ("/usr/bin", "/usr/local/bin")]


def launched(c, words, *flags, per_host=1, name="run", **variables):
    """A run by treg-launch on all hosts that finds MPICH's mpirun first."""
    found = {link: next((place / program for place in PLACES if (place / program).exists()), None) for link, program in HYDRA.items()}
    if None in found.values():
        raise NotAvailable("no MPICH here: mpiexec.hydra, hydra_pmi_proxy")
    folder = c.folder / "mpich"
    folder.mkdir(exist_ok=True)
    for link, program in found.items():
        if not (folder / link).exists():
            (folder / link).symlink_to(program)
    command = c.launch(words, *flags, per_host=per_host)
    c.hostfile_for_mpich(c.bed.names)
    return c.start(command, name=name, PATH=f"{folder}:{c.bed.environment['PATH']}", **variables)


def logged(out, name):
    return (out / "run" / "logs" / name).read_text(errors="replace")


@scenario("mpich-equal", "3 hosts × 2 ranks by treg-launch and MPICH, against one host; a log for each rank", 150)
def equal(c):
    out = c.folder / "out"
    job = launched(c, arguments(out, steps=20), per_host=2)
    c.expect_code(job, 0, 90)
    expect_every_step_once(out, 20)
    worst = expect_near_losses(out, c.reference("solo", steps=20), 1e-5, "one host")
    expect("mpich" in logged(out, "launch.log"), "not started by MPICH")
    expect("training 20/20" in logged(out, "rank-00000.log"), "rank 0's lines are not in its log")
    strange = [line for line in job.errors.splitlines() if line.startswith("[")]
    expect(not strange, f"a label is left: {strange[:1]}")
    return f"losses within {worst:.1e}"
