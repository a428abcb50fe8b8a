"""A real Slurm for a bed: munged and slurmctld on the head node, one slurmd on each host."""

import os
import time

from .programs import Failure, path_of, run


def write(bed):
    """The configuration, and a key for munge."""
    folder = bed.folder / "slurm"
    (folder / "state").mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    bed.slurm_conf.write_text(configuration(bed, folder))


def configuration(bed, folder):
    """slurm.conf. The spool folder goes with its host, as on nodes without disks: a socket of pmix that a lost node leaves
    there would keep a requeued job, which has the same number, from starting on it."""
    workers = bed.workers
    nodes = "\n".join(
        f"NodeName={host.name} NodeAddr={host.address} Port=6818 CPUs={bed.cpus} RealMemory=2000 State=UNKNOWN"
        for host in workers)
    names = ",".join(host.name for host in workers)
    return f"""ClusterName=testbed
SlurmctldHost={bed.head.name}({bed.head.address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir=/run/slurmd
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={bed.folder}/%n/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={bed.folder}/%n/slurmd.log
SlurmctldDebug=debug
SlurmdDebug=debug
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=5,sched_min_interval=100000
ReturnToService=2
SlurmdTimeout=30
KillWait=5
JobRequeue=1
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
{nodes}
PartitionName=night Nodes={names} Default=YES State=UP MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=urgent Nodes={names} State=UP MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF
"""


def prepare_host():
    """slurmd 22.05 does not start without a control group hierarchy: an empty one that belongs to this host."""
    run("mount", "-t", "tmpfs", "tmpfs", "/sys/fs/cgroup")
    os.mkdir("/sys/fs/cgroup/systemd")
    run("mount", "-t", "cgroup", "-o", "none,name=systemd", "cgroup", "/sys/fs/cgroup/systemd")


def commands(bed, host):
    """What runs on a host, in the order of starting."""
    folder = bed.folder / "slurm"
    if host is bed.head:
        munge = [path_of("munged"), "--foreground", "--force", f"--key-file={folder}/munge.key",
                 f"--socket={folder}/munge.socket", f"--pid-file={folder}/munge.pid",
                 f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed"]
        return [munge, [path_of("slurmctld"), "-D", "-c", "-f", str(bed.slurm_conf)]]
    return [[path_of("slurmd"), "-D", "-N", host.name, "-f", str(bed.slurm_conf)]]


def wait_for_socket(bed, seconds=10):
    socket = bed.folder / "slurm" / "munge.socket"
    end = time.monotonic() + seconds
    while not socket.exists():
        if time.monotonic() > end:
            raise Failure(f"munged does not answer; see {bed.folder}/slurm/munge.log")
        time.sleep(0.05)


def wait_until_idle(bed, seconds=40):
    """Waits until every node may take jobs."""
    end = time.monotonic() + seconds
    states = ""
    while time.monotonic() < end:
        states = bed.output(bed.head, "sinfo", "--noheader", "--Node", "--partition=night", "--format=%T", check=False)
        if states.split() == ["idle"] * len(bed.workers):
            return
        time.sleep(0.3)
    raise Failure(f"Slurm's nodes are {' '.join(states.split()) or 'not known'} after {seconds} s")
