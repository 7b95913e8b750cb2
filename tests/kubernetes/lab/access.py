"""Access to a cluster by a kubeconfig: kubectl, and a small client for JSON; to the lab's or to any other."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import config
from kubernetes.client import Configuration

from kafka_sentinel.lab.errors import LabError

from .build import BIN
from .shell import run

Tree = dict[str, Any]
_SECONDS = 30.0
BUSY = 60.0  # seconds for which a server that has no time now is asked again for what changes nothing
_PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}


class RefusedError(LabError):
    """The API server answered, and not with what was asked for."""

    def __init__(self, what: str, status: int, body: Tree) -> None:
        super().__init__(f"{what} was answered by {status} {body.get('reason', '')}: {body.get('message', '')}")
        self.status = status
        self.reason = str(body.get("reason", ""))
        self.body = body


class Api:
    """Every method takes the path below the server, as `/api/v1/nodes/n1`, and raises RefusedError unless it worked."""

    def __init__(self, kubeconfig: Path) -> None:
        found = Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=found, persist_config=False)
        self._token = found.get_api_key_with_prefix("BearerToken", alias="authorization")
        self._base = str(found.host).rstrip("/")
        self._pool = urllib3.PoolManager(
            ca_certs=found.ssl_ca_cert,
            cert_file=found.cert_file,
            key_file=found.key_file,
            retries=False,
            timeout=_SECONDS,
        )

    def get(self, path: str, **query: str) -> Tree:
        return self.request("GET", path, query=query)

    def list(self, path: str, **query: str) -> list[Tree]:
        """Return the items below `path`; `labelSelector=…` and such as keywords."""
        items: list[Tree] = self.request("GET", path, query=query)["items"]
        return items

    def create(self, path: str, content: Tree) -> Tree:
        """POST to a collection, or to a subresource such as `…/pods/a/eviction`."""
        return self.request("POST", path, content)

    def replace(self, path: str, content: Tree) -> Tree:
        return self.request("PUT", path, content)

    def patch(self, path: str, content: object, kind: str = "merge") -> Tree:
        """`kind` is merge, strategic or json."""
        return self.request("PATCH", path, content, content_type=_PATCHES[kind])

    def delete(self, path: str, options: Tree | None = None) -> Tree:
        return self.request("DELETE", path, options)

    def ready(self) -> bool:
        """Tell whether the API server says that it is ready."""
        try:
            return self._pool.request("GET", f"{self._base}/readyz", headers=self._headers()).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def request(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Tree:
        """Raises LabError as well if the server cannot be reached."""
        what = f"{method} {path}"
        url = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        body = None if content is None else json.dumps(content)
        headers = self._headers() | {"Content-Type": content_type}
        deadline = time.monotonic() + BUSY
        while True:
            try:
                answer = self._pool.request(method, url, body=body, headers=headers)
            except urllib3.exceptions.HTTPError as error:
                raise LabError(f"{what} got no answer: {error}") from error
            if (method, answer.status) != ("GET", 429) or time.monotonic() > deadline:
                break
            time.sleep(1)  # as it asks for, while it fills a cache
        try:
            tree: Tree = json.loads(answer.data)
        except ValueError:
            tree = {"message": answer.data.decode(errors="replace")[:500]}
        if answer.status >= 300:
            raise RefusedError(what, answer.status, tree)
        return tree

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json"} | ({"Authorization": self._token} if self._token else {})


class Access:
    """A cluster that is there, whoever made it."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._api: Api | None = None

    @property
    def api(self) -> Api:
        if self._api is None:
            self._api = Api(self.kubeconfig)
        return self._api

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes that are known to the API server."""
        return tuple(each["metadata"]["name"] for each in self.api.list("/api/v1/nodes"))

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as admin and return what it prints. Raises LabError if it fails."""
        program = str(BIN / "kubectl") if (BIN / "kubectl").exists() else shutil.which("kubectl")
        if program is None:
            raise LabError("there is no kubectl: neither built for the lab nor on the PATH")
        return run(program, f"--kubeconfig={self.kubeconfig}", *arguments, stdin=stdin)

    def node_labels(self, node: str, labels: dict[str, str | None]) -> None:
        """Set labels of a Node object; None removes one."""
        self.api.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": labels}})

    def delete_node(self, node: str) -> None:
        """Delete the Node object, as a cloud's controller does when the machine has gone."""
        self.api.delete(f"/api/v1/nodes/{node}")
