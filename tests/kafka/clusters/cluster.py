"""Three real brokers of any version that can be reached in every way, where nobody may do more than is allowed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self
from unittest import mock

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from tests.kafka.clusters import acls
from tests.kafka.clusters.listeners import SUPER, USER, Keys, Secrets, Security, listening
from tests.kafka.clusters.tokens import Endpoint
from tests.kafka.clusters.versions import NEWEST, Version, find_compiler

from kafka_sentinel.lab.cluster import LabCluster, together
from kafka_sentinel.lab.node import Installation, Node
from kafka_sentinel.lab.ports import HOST
from kafka_sentinel.lab.topology import NodeSpec, Topology, configuration, properties

ZOOKEEPER = 0  # its node's id
SECONDS, ATTEMPT = 120.0, 15.0  # on a busy machine
ITERATIONS = 4_096  # of SCRAM
LOG4J = Path(__file__).with_name("log4j.properties")
HANDLER = Path(__file__).with_name("java") / "MskTokens.java"
AUTHORIZERS = {True: "kafka.security.authorizer.AclAuthorizer"}  # with ZooKeeper
STANDARD = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
# What a ZooKeeper of its own needs; a broker that died must be missed as soon as with KRaft.
ENSEMBLE = {"tickTime": "500", "admin.enableServer": "false", "4lw.commands.whitelist": "srvr", "maxClientCnxns": "0"}


class SecuredCluster(LabCluster):
    """As the lab, but `bootstrap` takes a way in."""

    def __init__(self, version: Version = NEWEST, **overrides: str) -> None:
        super().__init__(Topology.COMBINED, overrides=overrides)
        self.version = version
        self.secrets = Secrets.new()
        self._listening: dict[int, dict[Security, int]] = {}
        self._running: Endpoint | None = None
        self._keys: Keys | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        self.set_scram(USER, self.secrets.password)
        return self

    def close(self) -> None:
        super().close()
        running, self._running = self._running, None
        if running is not None:
            running.__exit__()

    @property
    def keys(self) -> Keys:
        assert self._keys is not None, "the cluster has not been started"
        return self._keys

    @property
    def endpoint(self) -> Endpoint:
        assert self._running is not None, "the cluster has not been started"
        return self._running

    def bootstrap(self, security: Security) -> str:
        return ",".join(f"{HOST}:{ports[security]}" for ports in self._listening.values())

    def settings(self, security: Security) -> dict:
        """Return Sentinel's section `kafka`."""
        return {"bootstrap_servers": self.bootstrap(security), "security": self.keys.settings(security, self.endpoint)}

    def admin(self) -> AdminClient:
        """Return a client that may do everything. What it has promised is void once nobody holds it any more."""
        return AdminClient({**self.super_properties, "log_level": 0})

    @property
    def super_properties(self) -> dict[str, str]:
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": SUPER,
            "sasl.password": self.secrets.super_password,
        }

    @property
    def super_truth(self) -> dict[str, str]:
        """The same for kafka-python, which reads the truth."""
        return {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": SUPER,
            "sasl_plain_password": self.secrets.super_password,
        }

    def set_scram(self, user: str, password: str) -> None:
        mechanism = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        change = UserScramCredentialUpsertion(user, mechanism, password.encode())
        self.ask(lambda admin: admin.alter_user_scram_credentials([change], request_timeout=ATTEMPT).values())

    @contextmanager
    def allowed(self, principal: str, grants: Iterable[acls.Grant]) -> Iterator[None]:
        """Let this principal do this and nothing else."""
        self.forbid(principal)
        self.allow(principal, grants)
        try:
            yield
        finally:
            self.forbid(principal)

    def allow(self, principal: str, grants: Iterable[acls.Grant]) -> None:
        bindings = [acls.binding(principal, grant) for grant in grants]
        self.ask(lambda admin: admin.create_acls(bindings, request_timeout=ATTEMPT).values())

    def forbid(self, principal: str, grants: Iterable[acls.Grant] | None = None) -> None:
        """Take back what was allowed to a principal: these, or everything."""
        asked = [acls.everything(principal)] if grants is None else [acls.that(principal, one) for one in grants]
        self.ask(lambda admin: admin.delete_acls(asked, request_timeout=ATTEMPT).values())

    def ask(self, request: Callable[[AdminClient], Iterable[Future]]) -> None:
        """Have the super user do something that may be done twice, until it is done."""
        deadline = time.monotonic() + SECONDS
        while True:
            admin = self.admin()
            try:
                for future in request(admin):
                    future.result(ATTEMPT)
            except (KafkaException, TimeoutError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                return

    @contextmanager
    def aws(self) -> Iterator[None]:
        """Have AWS's library in this process ask the test's endpoint for credentials."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        ours = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.endpoint.credentials_url}
        with mock.patch.dict(os.environ, {**clean, **ours}, clear=True):
            yield

    # --- how it is brought up

    def _find(self) -> tuple[Path, Path]:
        return self.version.java(), self.version.jars()

    def _bring_up(self) -> None:
        known = self.secrets
        self._keys = Keys(self.folder / "keys", known)
        self._running = Endpoint(self._keys.signing_key, {USER: known.password}, (known.aws_key, known.aws_secret))
        self._running.__enter__()
        self._compile()
        if self.version.zookeeper:
            self._specs = tuple(replace(spec, controller_port=None) for spec in self._specs)
            self._nodes[ZOOKEEPER] = self._ensemble()
            self._nodes[ZOOKEEPER].start()
            self.wait_ready([ZOOKEEPER])
        for spec in self._specs:
            self._listening[spec.id] = {security: self._ports.take() for security in Security}
            self._nodes[spec.id] = self._new_node(spec)
        brokers = [self._nodes[spec.id] for spec in self._specs]
        together(Node.start if self.version.zookeeper else self._format_and_start, brokers)
        self.wait_ready()

    def _compile(self) -> None:
        """Compile the check of MSK's tokens against the version's own classes."""
        own = self._installed
        subprocess.run(
            [find_compiler(), "-d", str(self._classes), "-cp", f"{own.jars}/*", str(HANDLER)],
            check=True,
            timeout=120,
        )

    @property
    def _classes(self) -> Path:
        return self.folder / "classes"

    @property
    def _installed(self) -> Installation:
        assert self._installation is not None, "the cluster has not been started"
        own = self._installation
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.keys.jwks.as_uri()}"
        options = (f"-Dlog4j.configuration=file:{LOG4J}", allowed)
        return replace(own, options=options, classes=self._classes)

    def _new_node(self, spec: NodeSpec) -> Node:
        folder = self.folder / f"node-{spec.id}"
        asked = configuration(spec, self._specs, folder, {})
        assert spec.broker_port is not None, "every node is a broker"
        handlers = "org.apache.kafka.common.security.oauthbearer"
        if self.version.number.startswith("3.2"):
            handlers += ".secured"
        asked |= listening(self._listening[spec.id], spec.broker_port, spec.controller_port)
        asked |= self.keys.broker_properties(handlers)
        asked["authorizer.class.name"] = AUTHORIZERS.get(self.version.zookeeper, STANDARD)
        if self.version.zookeeper:
            asked = {key: value for key, value in asked.items() if not key.startswith(("process.", "controller."))}
            asked |= {"broker.id": str(spec.id), "zookeeper.connect": self._zookeeper}
            asked |= {"zookeeper.session.timeout.ms": "3000"}
            for name in ("node.id", "metadata.log.dir"):
                del asked[name]
        ready = self.version.ready.format(id=spec.id).encode()
        installed = replace(self._installed, ready=ready)
        return Node(spec.id, installed, properties({**asked, **self._overrides}))

    @property
    def _zookeeper(self) -> str:
        return f"{HOST}:{self._ensemble_port}"

    def _ensemble(self) -> Node:
        self._ensemble_port = self._ports.take()
        program = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        installed = replace(self._installed, program=program, ready=b"PrepRequestProcessor (sid:0) started")
        folder = self.folder / f"node-{ZOOKEEPER}"
        asked = {**ENSEMBLE, "dataDir": str(folder / "data"), "clientPort": str(self._ensemble_port)}
        return Node(ZOOKEEPER, installed, properties({**asked, "clientPortAddress": HOST}))
