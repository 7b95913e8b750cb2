"""A release of the chart beside a Kafka: installed, changed and taken away by Helm, as people do."""

from __future__ import annotations

import contextlib
import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import yaml
from tests.chart import helm as programs
from tests.chart.rendering import CHART
from tests.kubernetes.deploy import images, objects
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.layout import CONTROLLER_NODE
from tests.kubernetes.deploy.waiting import wait_for

from kafka_sentinel.lab.errors import LabError

RELEASE = "sentinel"
SECONDS = 120.0
PORT = 9464


class Release:
    """A release of the chart, in Kafka's namespace and of the tests' image unless told otherwise; and what it says."""

    def __init__(
        self,
        kafka: Kafka,
        major: str,
        folder: Path,
        name: str = RELEASE,
        *,
        namespace: str | None = None,
        image: str | None = None,
    ) -> None:
        self.kafka, self.lab, self.name = kafka, kafka.cluster, name
        self.namespace = namespace or kafka.namespace
        self._image = image or images.sentinel_image().name
        self._program = programs.PROGRAMS[major].path
        self._folder = folder
        self._seen: list[dict] = []  # its pods, as they were last seen

    def helm(self, *words: str) -> str:
        command = [str(self._program), *words, "-n", self.namespace, f"--kubeconfig={self.lab.kubeconfig}"]
        environment = {"HOME": str(self._folder), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def values(self, **more: object) -> tuple[str, str]:
        """Return the option that gives values: those of every user of Strimzi, and where the image is."""
        repository, _, tag = self._image.rpartition(":")
        beside = {"namespace": self.kafka.namespace, "bootstrapServers": self.kafka.inside}
        given = {
            "kafka": {"clusterName": self.kafka.name, **({} if self.namespace == self.kafka.namespace else beside)},
            "image": {"repository": repository, "tag": tag},
            "nodeSelector": {"kubernetes.io/hostname": CONTROLLER_NODE},
            **more,
        }
        file = self._folder / f"{self.name}.yaml"
        file.write_text(yaml.safe_dump(given))
        return "-f", str(file)

    @property
    def manifest(self) -> list[dict]:
        """Return what Helm says is of the release."""
        return [each for each in yaml.safe_load_all(self.helm("get", "manifest", self.name)) if each]

    def name_of(self, kind: str) -> str:
        (found,) = [each["metadata"]["name"] for each in self.manifest if each["kind"] == kind]
        return found

    @property
    def notes(self) -> str:
        """Return what Helm printed when it was installed, or changed last."""
        return self.helm("get", "notes", self.name)

    def pods(self) -> list[dict]:
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        return self.lab.api.list(path, labelSelector=f"app.kubernetes.io/instance={self.name}")

    def exec(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the daemon's container, as a person would."""
        [pod] = self.there()
        return objects.run_in_pod(self.lab, self.namespace, pod["metadata"]["name"], *command)

    def there(self) -> list[dict]:
        """Return its pods but those on their way out."""
        return [pod for pod in self.pods() if "deletionTimestamp" not in pod["metadata"]]

    @property
    def address(self) -> str | None:
        """Where the daemon listens, as host:port; None unless it has one pod, and that an address.

        While the API server is away, as it was.
        """
        with contextlib.suppress(LabError):
            self._seen = self.there()
        there = self._seen
        found = there[0]["status"].get("podIP") if len(there) == 1 else None
        return None if found is None else f"{found}:{PORT}"

    def status(self) -> dict:
        """Return the daemon's snapshot, {} while it does not answer."""
        return json.loads(self._get("/api/v1/status") or "{}")

    def metrics(self) -> str:
        """Return what the daemon exports, "" while it does not answer."""
        return self._get("/metrics")

    def _get(self, path: str) -> str:
        address = self.address
        if address is None:
            return ""
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    def logs(self) -> str:
        [pod] = self.there()
        return self.lab.kubectl("logs", pod["metadata"]["name"], "-n", self.namespace)

    def wait_for(self, fits: Callable[[dict], object], what: str, seconds: float) -> dict:
        """Wait until a snapshot fits, and return it."""

        def fitting() -> dict:
            status = self.status()
            return status if status and fits(status) else {}

        return wait_for(fitting, what, seconds, lambda: self.status().get("records"))

    def verified(self) -> int:
        return self.status().get("records", {}).get("all", {}).get("verified", 0)

    @cached_property
    def account(self) -> str:
        """Return the daemon's account, as the API server calls it."""
        return f"system:serviceaccount:{self.namespace}:{self.name_of('ServiceAccount')}"

    def can_i(self, verb: str, resource: str) -> str:
        """Return what kubectl says of that right of the daemon's account in the release's namespace: yes or no."""
        asked = ("auth", "can-i", verb, *resource.split(), "-n", self.namespace, f"--as={self.account}")
        try:
            return self.lab.kubectl(*asked).strip()
        except LabError:  # it says no by its exit code, too
            return "no"


@contextmanager
def installed(
    kafka: Kafka,
    major: str,
    folder: Path,
    name: str = RELEASE,
    /,
    *,
    namespace: str | None = None,
    image: str | None = None,
    forgetting: bool = False,
    **values: object,
) -> Iterator[Release]:
    """Have a release until the block ends. `forgetting`: then its state goes too, which Helm leaves behind."""
    programs.ensure()
    release = Release(kafka, major, folder, name, namespace=namespace, image=image)
    release.helm("install", name, str(CHART), *release.values(**values))
    state = f"{release.name_of('Deployment')}-state"
    try:
        yield release
    finally:
        release.helm("uninstall", name, "--wait")
        if forgetting:
            wait_for(lambda: release.pods() == [], "its pod to end", SECONDS)
            kafka.cluster.kubectl("delete", "configmap,lease", state, "-n", release.namespace, "--ignore-not-found")
