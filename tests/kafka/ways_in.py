"""Three real brokers with listeners that are wrong in one way each, and one that is right: SCRAM over TLS with ACLs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from tests.certificates import DAY, Authority
from tests.kafka.clusters.acls import Grant, binding, everything, least

from kafka import KafkaAdminClient
from kafka_sentinel.adapters.check_groups import describe
from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.lab.node import Node
from kafka_sentinel.lab.ports import HOST
from kafka_sentinel.lab.topology import NodeSpec, configuration, properties

USER, PASSWORD = "sentinel", "the-right-one"
TOPIC, GROUP = "probe", "sentinel-group"
NOWHERE = "kafka-of-another-network.invalid"  # a name that is never known (RFC 6761)
SECURITY = "org.apache.kafka.common.security"
PROTOCOLS = {"SECURE": "SASL_SSL", "EXPIRED": "SASL_SSL", "ELSEWHERE": "PLAINTEXT"}
REQUEST = 30.0

ALL_RIGHTS = frozenset(least((TOPIC,), GROUP))  # what the documentation says is enough


def on(kind: str, name: str, *operations: str) -> set[Grant]:
    return {grant for grant in ALL_RIGHTS if grant[:2] == (kind, name) and grant.operation in operations}


class WaysIn(LabCluster):
    """Who comes in plain text by the lab's own listener may do everything, and mends what a test has broken."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority
        self._extra: dict[str, list[int]] = {name: [] for name in PROTOCOLS}

    def servers(self, listener: str) -> str:
        return ",".join(f"{HOST}:{port}" for port in self._extra[listener])

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})

    def make_topic(self) -> None:
        admin = self.admin()
        new = NewTopic(TOPIC, num_partitions=6, replication_factor=3, config={"min.insync.replicas": "2"})
        admin.create_topics([new], request_timeout=REQUEST)[TOPIC].result(REQUEST)

    def have_coordinators(self) -> None:
        """Have Kafka make the topic of its consumer groups, which takes long and is begun by the first question."""
        client = KafkaAdminClient(bootstrap_servers=self.bootstrap_servers.split(","))
        try:
            assert describe(client, GROUP, 4 * REQUEST).error is None
        finally:
            client.close()

    def set_password(self, password: str) -> None:
        mechanism = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4_096)
        admin = self.admin()
        change = UserScramCredentialUpsertion(USER, mechanism, password.encode())
        admin.alter_user_scram_credentials([change], request_timeout=REQUEST)[USER].result(REQUEST)

    def allow(self, rights: Iterable[Grant]) -> None:
        """Allow the user this, and nothing else."""
        admin, principal = self.admin(), f"User:{USER}"
        every = everything(principal)
        admin.delete_acls([every], request_timeout=REQUEST)[every].result(REQUEST)
        bindings = [binding(principal, grant) for grant in rights]
        for future in admin.create_acls(bindings, request_timeout=REQUEST).values():
            future.result(REQUEST)

    def _new_node(self, spec: NodeSpec) -> Node:
        assert self._installation is not None
        assert spec.broker_port is not None
        ports = {name: self._ports.take() for name in PROTOCOLS}
        for name, port in ports.items():
            self._extra[name].append(port)
        folder = self.folder / f"node-{spec.id}"
        found = configuration(spec, self._specs, folder, {})
        extra = [f"{name}://{HOST}:{port}" for name, port in ports.items()]
        protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **PROTOCOLS}
        shown = [f"PLAINTEXT://{HOST}:{spec.broker_port}", *extra[:2], f"ELSEWHERE://{NOWHERE}:{9_092 + spec.id}"]
        found |= {
            "listeners": ",".join([found["listeners"], *extra]),
            "advertised.listeners": ",".join(shown),
            "listener.security.protocol.map": ",".join(f"{name}:{one}" for name, one in protocols.items()),
            "inter.broker.listener.name": "PLAINTEXT",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        }
        for listener, name in (("secure", "good"), ("expired", "expired")):
            scram = f"{SECURITY}.scram.ScramLoginModule required;"
            found[f"listener.name.{listener}.scram-sha-512.sasl.jaas.config"] = scram
            found[f"listener.name.{listener}.ssl.keystore.type"] = "PEM"
            found[f"listener.name.{listener}.ssl.keystore.location"] = str(self._key_store(name))
        return Node(spec.id, self._installation, properties(found))

    def _key_store(self, name: str) -> Path:
        store = self.folder / f"{name}.pem"
        store.write_text("".join(Path(self._authority.path(f"{name}.{part}")).read_text() for part in ("key", "crt")))
        return store


def authority_of_brokers(folder: Path) -> Authority:
    """Its certificate `good` was signed a moment ago: a clock that is an hour behind finds it not yet valid."""
    now = time.time()
    made = Authority(folder, "brokers")
    made.sign("good", begins=now - 60, ends=now + 9 * DAY)
    made.sign("expired", begins=now - 9 * DAY, ends=now - 3 * DAY)
    return made


class Said(NamedTuple):
    code: int
    out: str
    err: str

    def failures(self) -> list[str]:
        return [line for line in self.out.splitlines() if line.startswith("FAIL")]


def check(folder: Path, config: dict, answer: float, seconds: float, extra: dict[str, str] | None = None) -> Said:
    """Run `kafka-sentinel check --timeout ANSWER` for at most `seconds`. `extra`: of its environment."""
    file = folder / "check.yaml"
    file.write_text(yaml.safe_dump(json.loads(json.dumps(config))))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_SENTINEL")}
    command = [sys.executable, "-m", "kafka_sentinel", "check", "--config", str(file), "--timeout", f"{answer:g}s"]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds,
        env=environment | (extra or {}),
        cwd=folder,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def wrong_clock(built: Path, shift: int) -> dict[str, str]:
    """Return what to have in the environment for a clock that is `shift` seconds ahead. `built`: by `build_clock`."""
    return {"LD_PRELOAD": str(built), "CLOCK_SHIFT": str(shift)}


CLOCK = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
static long shift(void) { const char *by = getenv("CLOCK_SHIFT"); return by ? atol(by) : 0; }
int clock_gettime(clockid_t clock, struct timespec *out) {
    int failed = syscall(SYS_clock_gettime, clock, out);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) out->tv_sec += shift();
    return failed;
}
int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
/* Who waits until a time by the wrong clock waits by the right one. By the monotonic clock times are small. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    struct timespec right = *until;
    if (until->tv_sec < 1000000000) return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &right);
    right.tv_sec -= shift();
    return pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, &right);
}
int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) {
    int failed = pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until);
    return failed == ETIMEDOUT ? thrd_timedout : failed ? thrd_error : thrd_success;
}
"""


def build_clock(folder: Path) -> Path | None:
    """Build what makes a process's clock wrong, by CLOCK_SHIFT seconds; None: there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source, built = folder / "clock.c", folder / "clock.so"
    source.write_text(CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(built), str(source)], check=True, timeout=60)
    return built
