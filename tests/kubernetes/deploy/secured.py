"""What Strimzi adds to a Kafka that encrypts, has clients sign in and lets them do no more than their ACLs say.

Its user and topic operators are played here: what they make of a KafkaUser and a KafkaTopic.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from tests.kubernetes.deploy import objects
from tests.kubernetes.deploy.layout import CONFIGURATION, Member
from tests.kubernetes.lab.authority import Authority

if TYPE_CHECKING:
    from tests.kubernetes.deploy.kafka import Kafka

BROKER_FILE, CLIENTS_FILE = "broker.pem", "clients-ca.pem"
ITERATIONS = 4_096  # of SCRAM, as Strimzi has it
SECONDS = 30.0
STRIMZI = "/apis/kafka.strimzi.io/v1"


class Security:
    """Two authorities: that of the cluster signs what brokers show, that of the clients what users show."""

    def __init__(self, folder: Path) -> None:
        self.cluster = Authority(folder / "cluster", "/O=io.strimzi/CN=cluster-ca v0")
        self.clients = Authority(folder / "clients", "/O=io.strimzi/CN=clients-ca v0")

    def files(self, members: Iterable[Member], domain: str, service: str) -> dict[str, str]:
        """Return what brokers read, by name: one certificate for all of them, and whose users they let in."""
        names = [*(f"{member.pod}.{domain}" for member in members), service, f"{service}.cluster.local"]
        self.cluster.sign("broker", "/O=io.strimzi/CN=kafka", [f"DNS:{name}" for name in names])
        shown = self.cluster.text("broker.key") + self.cluster.text("broker.crt")
        return {BROKER_FILE: shown, CLIENTS_FILE: self.clients.text("ca.crt")}

    def authority_secret(self, namespace: str, cluster: str) -> dict:
        """Return the Secret by which clients know the brokers."""
        return secret(namespace, f"{cluster}-cluster-ca-cert", {"ca.crt": self.cluster.text("ca.crt")})


def properties() -> dict[str, str]:
    """Return what a broker's or controller's properties say besides. Their own listeners sign in as nobody."""
    stores = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": f"{CONFIGURATION}/{BROKER_FILE}",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": f"{CONFIGURATION}/{CLIENTS_FILE}",
    }
    return {
        **stores,
        "listener.name.tls.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.scram.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }


def secret(namespace: str, name: str, data: dict[str, str]) -> dict:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    head = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": head, "data": encoded}


@contextmanager
def user_operator(kafka: Kafka, name: str) -> Iterator[str]:
    """Do for a KafkaUser what Strimzi's operator does, and take it back in the end. Returns its principal."""
    spec = kafka.cluster.api.get(f"{STRIMZI}/namespaces/{kafka.namespace}/kafkausers/{name}")["spec"]
    admin = kafka.admin()
    if spec["authentication"]["type"] == "tls":
        principal, data = f"User:CN={name}", _certificate(kafka, name)
    else:
        principal, data = f"User:{name}", _password(kafka, name)
    bindings = list(_bindings(principal, spec["authorization"]["acls"]))
    for future in admin.create_acls(bindings).values():
        future.result(SECONDS)
    objects.apply(kafka.cluster, [secret(kafka.namespace, name, data)])
    try:
        yield principal
    finally:
        anything = (ResourceType.ANY, None, ResourcePatternType.ANY, principal, None)
        every = AclBindingFilter(*anything, AclOperation.ANY, AclPermissionType.ANY)
        admin.delete_acls([every])[every].result(SECONDS)
        kafka.cluster.kubectl("delete", "secret", name, "-n", kafka.namespace)


def topic_operator(kafka: Kafka) -> list[str]:
    """Make the topics of all KafkaTopics that are there, and return their names."""
    found = kafka.cluster.api.list(f"{STRIMZI}/namespaces/{kafka.namespace}/kafkatopics")
    specs = {each["spec"].get("topicName", each["metadata"]["name"]): each["spec"] for each in found}
    new = [
        NewTopic(
            name,
            spec["partitions"],
            spec.get("replicas", -1),
            config={key: str(value) for key, value in spec.get("config", {}).items()},
        )
        for name, spec in specs.items()
    ]
    admin = kafka.admin()
    for future in admin.create_topics(new).values():
        future.result(SECONDS)
    return list(specs)


def _certificate(kafka: Kafka, name: str) -> dict[str, str]:
    clients = kafka.security.clients
    clients.sign(name, f"/CN={name}")
    shown = {"user.crt": clients.text(f"{name}.crt"), "user.key": clients.text(f"{name}.key")}
    return {"ca.crt": clients.text("ca.crt"), **shown}  # the clients' authority: brokers are not known by it


def _password(kafka: Kafka, name: str) -> dict[str, str]:
    password = secrets.token_urlsafe(24)
    mechanism = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    change = UserScramCredentialUpsertion(name, mechanism, password.encode())
    admin = kafka.admin()
    admin.alter_user_scram_credentials([change])[name].result(SECONDS)
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return {"password": password, "sasl.jaas.config": f'{module} required username="{name}" password="{password}";'}


def _bindings(principal: str, acls: Iterable[dict]) -> Iterator[AclBinding]:
    for acl in acls:
        kind = acl["resource"]["type"]
        name = "kafka-cluster" if kind == "cluster" else acl["resource"]["name"]
        resource = ResourceType.BROKER if kind == "cluster" else ResourceType[kind.upper()]
        prefix = acl["resource"].get("patternType") == "prefix"
        pattern = ResourcePatternType.PREFIXED if prefix else ResourcePatternType.LITERAL
        for words in acl["operations"]:
            operation = AclOperation[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", words).upper()]
            yield AclBinding(resource, name, pattern, principal, "*", operation, AclPermissionType.ALLOW)
