"""Throw-away keys and files of ssh for a bed."""

from . import network
from .programs import path_of, run


def write(bed):
    """Keys, known hosts, a client's configuration for every host, and a server's for each."""
    keys = bed.folder / "keys"
    keys.mkdir()
    for name in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"testbed-{name}", "-f", keys / name)
    (keys / "authorized_keys").write_text((keys / "user.pub").read_text())
    public = " ".join((keys / "host.pub").read_text().split()[:2])
    (keys / "known_hosts").write_text(
        "".join(f"{host.name},{host.address} {public}\n" for host in bed.hosts))
    bed.ssh_config.write_text(client(bed, keys))
    for host in bed.hosts:
        (host.folder / "sshd_config").write_text(server(host, keys))


def client(bed, keys):
    names = " ".join([host.name for host in bed.hosts] + [network.PREFIX + ".*"])
    return f"""Host {names}
    User root
    IdentityFile {keys / "user"}
    IdentitiesOnly yes
    UserKnownHostsFile {keys / "known_hosts"}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 5
    LogLevel ERROR
"""


def server(host, keys):
    return f"""ListenAddress {host.address}
Port 22
HostKey {keys / "host"}
AuthorizedKeysFile {keys / "authorized_keys"}
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
UseDNS no
PidFile none
MaxStartups 100
"""


def command(host):
    return [path_of("sshd"), "-D", "-e", "-f", str(host.folder / "sshd_config")]
