"""The network of a lab: a bridge, and for each node that is on a namespace with a cable to it.

All hardware addresses are written down on both sides. So nobody has to ask for them, and whoever talks to a node that
is off or cut off hears nothing at all, as in a real data centre, instead of "no route to host" after three seconds.
"""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

from .plan import MAX_LABS, Plan, networks
from .shell import attempt, run


def labs() -> dict[int, Path]:
    """Return the folder of each lab of this machine, up or left over, by its number. It is the bridge's alias."""
    found = json.loads(run("ip", "-json", "link", "show", "type", "bridge") or "[]")
    numbers = {f"kslab{number}": number for number in range(MAX_LABS)}
    ours = [each for each in found if each.get("ifname") in numbers and "ifalias" in each]
    return {numbers[each["ifname"]]: Path(each["ifalias"]) for each in ours}


def claim(folder: Path) -> int:
    """Make the bridge of the first free number and return that number. Raises LabError if none is free."""
    routes = [ip_network(each["dst"]) for each in json.loads(run("ip", "-json", "route")) if each["dst"] != "default"]
    for number in range(MAX_LABS):
        taken = any(ours.overlaps(route) for ours in networks(number) for route in routes)
        if not taken and attempt("ip", "link", "add", f"kslab{number}", "type", "bridge"):
            run("ip", "link", "set", f"kslab{number}", "alias", str(folder))
            return number
    raise LabError(f"{MAX_LABS} labs are up on this machine, or their networks are taken: {labs()}")


def up(plan: Plan) -> None:
    """Give the bridge its address and the host its routes to all pods."""
    run("ip", "link", "set", plan.tag, "address", plan.mac(), "up")
    run("ip", "address", "add", f"{plan.host}/24", "dev", plan.tag)
    for node in plan.nodes:
        _neighbour([], plan.tag, plan.address(node), plan.mac(node))
        run("ip", "route", "add", plan.pods_of(node), "via", plan.address(node))


def connect(plan: Plan, node: str) -> None:
    """Give a node that boots its namespace, address and routes."""
    name = plan.namespace(node)
    inside = ["ip", "-n", name]
    run("ip", "netns", "add", name)
    peer = ["peer", "name", "eth0", "address", plan.mac(node), "netns", name]
    run("ip", "link", "add", name, "type", "veth", *peer)
    run("ip", "link", "set", name, "master", plan.tag, "up")
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "address", "add", f"{plan.address(node)}/24", "dev", "eth0")
    run(*inside, "link", "set", "eth0", "up")
    run(*inside, "route", "add", "default", "via", plan.host)
    _neighbour(["-n", name], "eth0", plan.host, plan.mac())
    for other in plan.nodes:
        if other != node:
            _neighbour(["-n", name], "eth0", plan.address(other), plan.mac(other))
            run(*inside, "route", "add", plan.pods_of(other), "via", plan.address(other))
    run("nsenter", f"--net=/run/netns/{name}", "sysctl", "-qw", "net.ipv4.ip_forward=1")


def disconnect(plan: Plan, node: str) -> None:
    """Take a node's cable and namespace away, if it has them."""
    name = plan.namespace(node)
    attempt("ip", "link", "delete", name)
    attempt("ip", "netns", "delete", name)


def cut(plan: Plan, node: str) -> None:
    """Let no frame pass to or from the node. Its own link stays up, so it notices nothing."""
    run("ip", "link", "set", plan.namespace(node), "nomaster")


def mend(plan: Plan, node: str) -> None:
    run("ip", "link", "set", plan.namespace(node), "master", plan.tag)


def _neighbour(where: list[str], device: str, address: str, mac: str) -> None:
    run("ip", *where, "neighbour", "replace", address, "lladdr", mac, "dev", device, "nud", "permanent")
