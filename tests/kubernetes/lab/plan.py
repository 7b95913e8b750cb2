"""What one lab is called and which addresses it has: all of it follows from its number and its folder.

A lab's number is free when no bridge of that number exists, and making the bridge takes it: so two labs on one machine
never share an address, and neither needs a port that somebody else may hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

MAX_LABS = 8  # on one machine
MAX_NODES = 9
ZONES = 3
DISKS = ("d1", "d2")
DOMAIN = "cluster.local"
_HIDDEN = ("/mnt", "/run", "/var/lib", "/var/log")  # a node has folders of its own there


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that does not change while a lab is up. Written to its folder, so that others can find it again."""

    folder: Path
    number: int
    nodes: tuple[str, ...]
    grace: int  # seconds without a heartbeat until a node is NotReady
    tolerations: int  # seconds until the pods of such a node are evicted
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by node, beside its zone

    @property
    def tag(self) -> str:
        """Name of the bridge and of the cgroups, start of every other name; short, for Linux allows 15 characters."""
        return f"kslab{self.number}"

    @property
    def host(self) -> str:
        """The host's address on the bridge: API server and name server listen there."""
        return str(self._nodes_network[1])

    @property
    def loopback(self) -> str:
        """Where the parts listen that only the host may reach."""
        return f"127.99.{self.number}.1"

    @property
    def api(self) -> str:
        return f"https://{self.host}:6443"

    @property
    def etcd(self) -> str:
        return f"http://{self.loopback}:2379"

    @property
    def services(self) -> IPv4Network:
        return networks(self.number)[1]

    @property
    def pods(self) -> IPv4Network:
        return networks(self.number)[2]

    def pods_of(self, node: str) -> str:
        return str(list(self.pods.subnets(new_prefix=24))[self.index(node)])

    def address(self, node: str) -> str:
        return str(self._nodes_network[10 + self.index(node)])

    @property
    def _nodes_network(self) -> IPv4Network:
        return networks(self.number)[0]

    def mac(self, node: str | None = None) -> str:
        """Return the hardware address of a node, or of the host: known to all, so that none needs to ask for it."""
        return f"02:63:00:00:{self.number:02x}:{10 + self.index(node) if node else 1:02x}"

    def namespace(self, node: str) -> str:
        """Return the name of a node's network namespace and of the host's end of its cable."""
        return f"{self.tag}-{node}"

    def index(self, node: str) -> int:
        """Return 1 for the first node. Raises LabError if there is no such node."""
        if node not in self.nodes:
            raise LabError(f"there is no node {node}; there are {', '.join(self.nodes)}")
        return self.nodes.index(node) + 1

    def node_labels(self, node: str) -> dict[str, str]:
        zone = {"topology.kubernetes.io/zone": f"z{(self.index(node) - 1) % ZONES + 1}"}
        return zone | dict(self.labels.get(node, {}))

    def node_folder(self, node: str) -> Path:
        self.index(node)
        return self.folder / "nodes" / node

    def disk(self, node: str, disk: str) -> Path:
        if disk not in DISKS:
            raise LabError(f"node {node} has no disk {disk}; its disks are {', '.join(DISKS)}")
        return self.node_folder(node) / "mnt" / "disks" / disk

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "admin.kubeconfig"

    @property
    def resolv_conf(self) -> Path:
        return self.folder / "resolv.conf"

    def save(self) -> None:
        self.folder.joinpath("plan.json").write_text(json.dumps(asdict(self), default=str, indent=1))


def networks(number: int) -> tuple[IPv4Network, ...]:
    """Return the networks of nodes, services and pods of the lab with that number."""
    return (
        IPv4Network(f"10.99.{number}.0/24"),
        IPv4Network(f"10.{180 + number}.0.0/16"),
        IPv4Network(f"10.{200 + number}.0.0/16"),
    )


def load(folder: Path) -> Plan:
    """Read the plan of the lab in `folder`. Raises LabError if there is none."""
    try:
        fields = json.loads(folder.joinpath("plan.json").read_text())
    except FileNotFoundError:
        raise LabError(f"no lab is up in {folder}") from None
    return Plan(**{**fields, "folder": Path(fields["folder"]), "nodes": tuple(fields["nodes"])})


def check(folder: Path, nodes: int) -> None:
    """Refuse what would not work. Raises LabError."""
    if not 1 <= nodes <= MAX_NODES:
        raise LabError(f"a lab has 1 to {MAX_NODES} nodes, not {nodes}")
    for hidden in _HIDDEN:
        if folder.is_relative_to(hidden):
            raise LabError(f"the lab's folder {folder} lies below {hidden}, which a node hides")
