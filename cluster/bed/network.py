"""A switch and links to hosts, in network namespaces without any way out."""

from .programs import Failure, run

PREFIX = "10.77.0"
SUBNET = PREFIX + ".0/24"


def address(number):
    """The address of the host with a number; 0 is the head node."""
    return f"{PREFIX}.{10 + number}"


def inside(network, *words):
    """Runs a program in a network namespace that is given by its path."""
    return run("nsenter", f"--net={network}", *words)


def make_switch(switch):
    inside(switch, "ip", "link", "add", "br0", "type", "bridge")
    inside(switch, "ip", "link", "set", "br0", "up")


def plug(switch, network, number, rate):
    """Joins a host's network to the switch by a link, in both directions of the given rate (tc's units)."""
    port = f"p{number}"
    inside(switch, "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", network)
    inside(switch, "ip", "link", "set", port, "master", "br0", "up")
    inside(network, "ip", "link", "set", "lo", "up")
    inside(network, "ip", "addr", "add", address(number) + "/24", "dev", "eth0")
    inside(network, "ip", "link", "set", "eth0", "up")
    if rate:
        for side, device in ((network, "eth0"), (switch, port)):
            # fmt: skip
            inside(side, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", rate, "burst", "128kb", "latency", "20ms")


def set_link(switch, number, state):
    """Pulls the cable at the switch, or plugs it in again: the host keeps its address."""
    if state not in ("up", "down"):
        raise Failure(f"link: expected up or down, found {state}", 64)
    inside(switch, "ip", "link", "set", f"p{number}", state)
