"""etcd, API server, controller manager, scheduler and CoreDNS: processes of the host, on addresses of the lab."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

from . import audit, pki, processes
from .access import Api, Tree
from .build import BIN
from .plan import DOMAIN, Plan

API_SERVER = "kube-apiserver"
_READY_SECONDS = 60.0
_START_SECONDS = 5.0
_ROUND_SECONDS = 0.1
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


class ControlPlane:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def configure(self) -> None:
        """Write what the parts read: certificates, kubeconfigs, the name server's zone."""
        plan = self._plan
        pki.make(plan)
        audit.configure(plan)
        pki.kubeconfig(plan, "admin", plan.kubeconfig)
        for name in ("controller-manager", "scheduler", "coredns"):
            pki.kubeconfig(plan, name, self._kubeconfig(name))
        plan.folder.joinpath("Corefile").write_text(_corefile(plan, self._kubeconfig("coredns")))
        plan.resolv_conf.write_text(f"nameserver {plan.host}\n")

    def start(self) -> None:
        """Start all parts, and return when the API server is ready."""
        self._start_part("etcd")
        self.start_api()
        api = Api(self._plan.kubeconfig)
        for path, content in _objects():
            api.create(path, content)
        for part in ("kube-controller-manager", "kube-scheduler", "coredns"):
            self._start_part(part)

    def start_api(self) -> None:
        """Start the API server if it does not run, and return when it is ready."""
        self._start_part(API_SERVER)
        self._wait(API_SERVER, Api(self._plan.kubeconfig).ready)

    def stop_api(self) -> None:
        """SIGKILL: every connection to it breaks."""
        processes.kill([each.pid for each in processes.named(self._plan.folder, API_SERVER)])

    def wait_names(self) -> None:
        """Return when the name server has read all services."""
        self._wait("coredns", self._names_ready)

    def _names_ready(self) -> bool:
        connection = http.client.HTTPConnection(self._plan.loopback, 8181, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        return False

    def _start_part(self, part: str) -> None:
        """Start one part, unless it runs."""
        if processes.named(self._plan.folder, part):
            return
        command = [str(BIN / part), *self._arguments(part)]
        processes.start(self._plan.folder, command, self._log(part))
        deadline = time.monotonic() + _START_SECONDS
        while not processes.named(self._plan.folder, part) and time.monotonic() < deadline:
            time.sleep(_ROUND_SECONDS / 10)  # it has forked, and not become that program yet

    def _arguments(self, part: str) -> list[str]:
        plan = self._plan
        match part:
            case "etcd":
                return _etcd(plan)
            case "kube-apiserver":
                return _api_server(plan)
            case "kube-controller-manager":
                return [*self._sign_in("controller-manager"), *_controller_manager(plan)]
            case "kube-scheduler":
                return [*self._sign_in("scheduler"), f"--bind-address={plan.loopback}", "--leader-elect=false"]
            case _:
                return ["-conf", str(plan.folder / "Corefile")]

    def _sign_in(self, name: str) -> list[str]:
        path = self._kubeconfig(name)
        kinds = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
        return [f"--{kind}={path}" for kind in kinds]

    def _kubeconfig(self, name: str) -> Path:
        return self._plan.folder / f"{name}.kubeconfig"

    def _log(self, part: str) -> Path:
        return self._plan.logs / f"{part}.log"

    def _wait(self, part: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not ready():
            if time.monotonic() > deadline or not processes.named(self._plan.folder, part):
                closing = "\n".join(self._log(part).read_text(errors="replace").splitlines()[-10:])
                raise LabError(
                    f"{part} ended or did not get ready within {_READY_SECONDS:.0f} s; its log ends:\n{closing}"
                )
            time.sleep(_ROUND_SECONDS)


def _etcd(plan: Plan) -> list[str]:
    peers = f"http://{plan.loopback}:2380"
    return [
        f"--data-dir={plan.folder / 'etcd'}",
        f"--listen-client-urls={plan.etcd}",
        f"--advertise-client-urls={plan.etcd}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",  # the machine's own power is not what the lab takes away
        "--log-level=warn",
    ]


def _api_server(plan: Plan) -> list[str]:
    pki_folder = plan.pki
    return [
        f"--etcd-servers={plan.etcd}",
        f"--advertise-address={plan.host}",
        f"--bind-address={plan.host}",
        "--secure-port=6443",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={plan.services}",
        f"--client-ca-file={pki_folder / 'ca.crt'}",
        f"--tls-cert-file={pki_folder / 'apiserver.crt'}",
        f"--tls-private-key-file={pki_folder / 'apiserver.key'}",
        f"--kubelet-client-certificate={pki_folder / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki_folder / 'apiserver-kubelet.key'}",
        f"--kubelet-certificate-authority={pki_folder / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
        f"--service-account-key-file={pki_folder / 'accounts.pub'}",
        f"--service-account-signing-key-file={pki_folder / 'accounts.key'}",
        f"--default-not-ready-toleration-seconds={plan.tolerations}",
        f"--default-unreachable-toleration-seconds={plan.tolerations}",
        *audit.arguments(plan),
    ]


def _controller_manager(plan: Plan) -> list[str]:
    return [
        f"--bind-address={plan.loopback}",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--root-ca-file={plan.pki / 'ca.crt'}",
        f"--service-account-private-key-file={plan.pki / 'accounts.key'}",
        f"--cluster-signing-cert-file={plan.pki / 'ca.crt'}",
        f"--cluster-signing-key-file={plan.pki / 'ca.key'}",
        "--node-monitor-period=1s",
        f"--node-monitor-grace-period={plan.grace}s",
    ]


def _corefile(plan: Plan, kubeconfig: Path) -> str:
    return f""".:53 {{
    bind {plan.host}
    errors
    ready {plan.loopback}:8181
    kubernetes {DOMAIN} in-addr.arpa {{
        kubeconfig {kubeconfig}
        ttl 2
        pods verified
    }}
    cache 2
}}
"""


def _objects() -> list[tuple[str, Tree]]:
    """Return what every lab has from the start: the name server's rights, and the class of node-local volumes."""
    name = {"name": "system:coredns"}
    kind = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **name}
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", **name}
    reads = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    local = {
        "metadata": {"name": "local"},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    return [
        (f"{_RBAC}/clusterroles", {"metadata": name, "rules": reads}),
        (f"{_RBAC}/clusterrolebindings", {"metadata": name, "roleRef": kind, "subjects": [user]}),
        ("/apis/storage.k8s.io/v1/storageclasses", local),
    ]
