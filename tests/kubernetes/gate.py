"""A gate in the API server: requests of one sort wait at it until the test lets them through, or turns them away.

It is an admission webhook, so whoever made the request has sent it, and nothing of it has happened yet. What is killed
while its request waits at the gate is killed between two steps, for certain and not by luck.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.kubernetes.lab.cluster import Cluster

CLOSING = 3.0  # seconds: the API server hears of a new gate by a watch of its own, and lets pass what comes before
PATIENCE = 20.0  # seconds a request may wait; then it is turned away
API = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


@dataclass
class Waiting:
    """One request at the gate."""

    request: dict[str, Any]
    through: bool = False
    decided: threading.Event = field(default_factory=threading.Event)

    def decide(self, *, through: bool) -> None:
        self.through = through
        self.decided.set()


class Gate:
    """Stops `operation` (DELETE, UPDATE) on `resource` of the core API in one namespace."""

    def __init__(self, cluster: Cluster, operation: str, resource: str, namespace: str) -> None:
        self._cluster = cluster
        self._name = f"gate-{namespace}-{resource}.test.local"
        self._rule = {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": [operation],
            "resources": [resource],
            "scope": "Namespaced",
        }
        self._namespace = namespace
        self._arrived = threading.Condition()
        self._waiting: list[Waiting] = []
        self._server = ThreadingHTTPServer((cluster.plan.host, 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cluster.plan.pki / "apiserver.crt", cluster.plan.pki / "apiserver.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="gate", daemon=True).start()
        authority = base64.b64encode((self._cluster.plan.pki / "ca.crt").read_bytes()).decode()
        hook = {
            "name": self._name,
            "clientConfig": {
                "url": f"https://{self._cluster.plan.host}:{self._server.server_port}/",
                "caBundle": authority,
            },
            "rules": [self._rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self._namespace}},
            "matchConditions": [
                {"name": "by-an-account", "expression": 'request.userInfo.username.endsWith(":kafka-sentinel")'}
            ],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 30,
            "admissionReviewVersions": ["v1"],
        }
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
        self._cluster.api.create(API, {**kind, "metadata": {"name": self._name}, "webhooks": [hook]})
        time.sleep(CLOSING)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.api.delete(f"{API}/{self._name}")
        for waiting in self._waiting:
            waiting.decide(through=True)
        self._server.shutdown()
        self._server.server_close()

    def wait(self, seconds: float) -> Waiting:
        """Return the first request that comes to the gate and was not decided on."""
        with self._arrived:
            found = self._arrived.wait_for(lambda: [one for one in self._waiting if not one.decided.is_set()], seconds)
        assert found, f"nothing came to {self._name} within {seconds:g} s"
        return found[0]

    def _stop(self, request: dict[str, Any]) -> bool:
        waiting = Waiting(request)
        with self._arrived:
            self._waiting.append(waiting)
            self._arrived.notify_all()
        waiting.decided.wait(PATIENCE)
        return waiting.through

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = {"uid": review["request"]["uid"], "allowed": gate._stop(review["request"])}
                body = json.dumps({**{key: review[key] for key in ("apiVersion", "kind")}, "response": answer}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
