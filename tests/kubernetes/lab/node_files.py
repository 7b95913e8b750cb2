"""What a node's kubelet, containerd and kube-proxy read. All of it JSON, which is YAML, but for containerd's."""

from __future__ import annotations

import json
from typing import Any

from . import pki
from .images import PAUSE
from .plan import DISKS, DOMAIN, Plan

Tree = dict[str, Any]


def write(plan: Plan, node: str) -> None:
    """Write the files of `node` as it boots. Its disks and images stay."""
    folder = plan.node_folder(node)
    for below in ("lib/cni/net.d", "lib/containerd", "lib/kubelet", "log"):
        folder.joinpath(below).mkdir(parents=True, exist_ok=True)
    for disk in DISKS:
        plan.disk(node, disk).mkdir(parents=True, exist_ok=True)
    for stop in folder.glob("stop.*"):
        stop.unlink()
    pki.kubeconfig(plan, node, folder / "kubelet.kubeconfig")
    pki.kubeconfig(plan, "proxy", folder / "proxy.kubeconfig")
    folder.joinpath("containerd.toml").write_text(_CONTAINERD)
    folder.joinpath("lib/cni/net.d/10-lab.conflist").write_text(json.dumps(_pod_network(plan, node)))
    folder.joinpath("kubelet.yaml").write_text(json.dumps(_kubelet(plan, node), indent=1))
    folder.joinpath("kube-proxy.yaml").write_text(json.dumps(_proxy(plan, node), indent=1))


_CONTAINERD = f"""version = 2
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
  "io.containerd.internal.v1.restart",
]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/var/lib/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        BinaryName = "/usr/sbin/runc"
"""


def _pod_network(plan: Plan, node: str) -> Tree:
    addresses = {"type": "host-local", "ranges": [[{"subnet": plan.pods_of(node)}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "lab", "plugins": [{**bridge, "ipam": addresses}, ports]}


def _kubelet(plan: Plan, node: str) -> Tree:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True, "cacheTTL": "10s"},
            "x509": {"clientCAFile": str(plan.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(plan.pki / f"{node}.crt"),
        "tlsPrivateKeyFile": str(plan.pki / f"{node}.key"),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{plan.tag}/{node}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,  # less needs a right that containers of a CI often lack
        "protectKernelDefaults": True,  # it only looks; the node shows it what it wants to see
        "makeIPTablesUtilChains": False,
        "clusterDNS": [plan.host],
        "clusterDomain": DOMAIN,
        "resolvConf": str(plan.resolv_conf),
        # No registry could give an image back, so none is collected; and the disk is everybody's.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "nodeStatusUpdateFrequency": "2s",
        "nodeStatusReportFrequency": "10s",
        "nodeLeaseDurationSeconds": 8,  # renewed every two
        "maxPods": 50,
    }


def _proxy(plan: Plan, node: str) -> Tree:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": node,
        "clusterCIDR": str(plan.pods),
        "clientConnection": {"kubeconfig": str(plan.node_folder(node) / "proxy.kubeconfig")},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
