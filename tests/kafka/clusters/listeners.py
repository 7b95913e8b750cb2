"""The ways in: a listener of the brokers for each, and what Sentinel's configuration says to use it.

All of them at once on every broker, so that one cluster serves them all. Brokers, controllers and the super user come
in by a listener of their own, with a password, so that nobody else is anybody by chance.
"""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.kafka.clusters.tokens import AUDIENCE, Endpoint
from tests.kubernetes.lab.authority import Authority

from kafka_sentinel.lab.ports import HOST

USER = "sentinel"
SUPER = "admin"
REGION = "eu-north-1"
REAUTHENTICATE = 15_000  # milliseconds for which a connection by token is good
BROKERS = "org.apache.kafka.common.security"


class Security(StrEnum):
    PLAINTEXT = "plaintext"
    TLS = "TLS with a private CA"
    MTLS = "mutual TLS"
    SCRAM = "SCRAM-SHA-512 over TLS"
    PLAIN = "PLAIN over TLS"
    OAUTHBEARER = "OAUTHBEARER over TLS"
    MSK_IAM = "AWS MSK IAM over TLS"

    @property
    def listener(self) -> str:
        return self.name.replace("_", "")

    @property
    def protocol(self) -> str:
        plain = {Security.PLAINTEXT: "PLAINTEXT", Security.TLS: "SSL", Security.MTLS: "SSL"}
        return plain.get(self, "SASL_SSL")


@dataclass(frozen=True)
class Secrets:
    """Made anew for each cluster."""

    password: str
    super_password: str
    aws_key: str
    aws_secret: str

    @classmethod
    def new(cls) -> Secrets:
        return cls(*(secrets.token_hex(12) for _ in range(4)))


class Keys:
    """What lies on the disks of brokers and clients, under `folder`. Two authorities: of brokers, and of clients."""

    def __init__(self, folder: Path, known: Secrets, *, principal: str = USER) -> None:
        self.folder = folder
        self.secrets = known
        self.principal = principal
        self.brokers = Authority(folder / "brokers", "/O=tests/CN=brokers")
        self.clients = Authority(folder / "clients", "/O=tests/CN=clients")
        self.brokers.sign("broker", "/O=tests/CN=broker", [f"IP:{HOST}"])
        self.clients.sign(principal, f"/CN={principal}")
        self.show("broker")
        (folder / "clients-ca.pem").write_text(self.clients.text("ca.crt"))
        (folder / "password").write_text(known.password)
        subprocess.run(
            ["openssl", "genrsa", "-out", str(self.signing_key), "2048"], check=True, capture_output=True, timeout=60
        )
        self.jwks.write_text(json.dumps({"keys": [_public(self.signing_key)]}))

    def replace(self, place: Path, text: str) -> None:
        """Change a file as Kubernetes changes a Secret: at once."""
        new = place.with_name(f".{place.name}")
        new.write_text(text)
        new.rename(place)

    def show(self, name: str, authority: Authority | None = None) -> None:
        """Have brokers that start from now on show this certificate. Kafka 3.2 wants its key to have a password."""
        signed = authority or self.brokers
        key = signed.folder / f"{name}.key"
        hide = ["-topk8", "-v1", "PBE-SHA1-3DES", "-passout", f"pass:{self.secrets.super_password}"]
        command = ["openssl", "pkcs8", "-in", str(key), *hide]
        hidden = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        (self.folder / "broker.pem").write_text(hidden + signed.text(f"{name}.crt"))

    @property
    def signing_key(self) -> Path:
        """By which the token endpoint signs."""
        return self.folder / "tokens.key"

    @property
    def jwks(self) -> Path:
        return self.folder / "jwks.json"

    def who(self, security: Security) -> str:
        """Return the principal that the brokers see."""
        if security in {Security.PLAINTEXT, Security.TLS}:
            return "User:ANONYMOUS"
        if security is Security.MTLS:
            return f"User:CN={self.principal}"
        return f"User:{self.secrets.aws_key if security is Security.MSK_IAM else self.principal}"

    def settings(self, security: Security, endpoint: Endpoint) -> dict:
        """Return Sentinel's section `kafka.security`."""
        found: dict = {"protocol": security.protocol}
        if security is not Security.PLAINTEXT:
            found["ca_file"] = str(self.brokers.folder / "ca.crt")
        match security:
            case Security.MTLS:
                own = self.clients.folder / self.principal
                found |= {"cert_file": f"{own}.crt", "key_file": f"{own}.key"}
            case Security.SCRAM | Security.PLAIN:
                mechanism = "PLAIN" if security is Security.PLAIN else "SCRAM-SHA-512"
                found |= {"mechanism": mechanism, "username": self.principal}
                found["password_file"] = str(self.folder / "password")
            case Security.OAUTHBEARER:
                found |= {"mechanism": "OAUTHBEARER", "token_url": endpoint.token_url}
                found |= {"client_id": self.principal, "client_secret": self.secrets.password}
            case Security.MSK_IAM:
                found |= {"mechanism": "AWS_MSK_IAM", "aws_region": REGION}
        return found

    def broker_properties(self, handlers: str) -> dict[str, str]:
        """Return the properties of listeners. `handlers`: the package of Kafka's own check of signed tokens."""
        known = self.secrets
        plain = f"{BROKERS}.plain.PlainLoginModule required"
        ours = f'{plain} username="{SUPER}" password="{known.super_password}" user_{SUPER}="{known.super_password}";'
        oauth = f"{BROKERS}.oauthbearer.OAuthBearerLoginModule required"
        own = f'{oauth} unsecuredLoginStringClaim_sub="brokers"'  # which Kafka wants where there are options
        msk = f'{own} access_key="{known.aws_key}" secret_key="{known.aws_secret}";'
        jaas = {
            "internal.plain": ours,
            "controller.plain": ours,
            "plain.plain": f'{plain} user_{self.principal}="{known.password}";',
            "scram.scram-sha-512": f"{BROKERS}.scram.ScramLoginModule required;",
            "oauthbearer.oauthbearer": f"{oauth};",
            "mskiam.oauthbearer": msk,
        }
        found = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.folder / "broker.pem"),
            "ssl.key.password": known.super_password,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.folder / "clients-ca.pem"),
            "listener.name.mtls.ssl.client.auth": "required",
            "inter.broker.listener.name": "INTERNAL",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "super.users": f"User:{SUPER}",
        }
        for place, text in jaas.items():
            listener, mechanism = place.split(".")
            found[f"listener.name.{listener}.sasl.enabled.mechanisms"] = mechanism.upper()
            found[f"listener.name.{place}.sasl.jaas.config"] = text
        checks = "listener.name.{}.oauthbearer.sasl.server.callback.handler.class"
        found[checks.format("oauthbearer")] = f"{handlers}.OAuthBearerValidatorCallbackHandler"
        found[checks.format("mskiam")] = "MskTokens"
        for listener in ("oauthbearer", "mskiam"):
            found[f"listener.name.{listener}.oauthbearer.connections.max.reauth.ms"] = str(REAUTHENTICATE)
        found["listener.name.oauthbearer.sasl.oauthbearer.jwks.endpoint.url"] = self.jwks.as_uri()
        found["listener.name.oauthbearer.sasl.oauthbearer.expected.audience"] = AUDIENCE
        return found


def listening(ports: Mapping[Security, int], internal: int, controller: int | None) -> dict[str, str]:
    """Return the properties that name the listeners of one node; without `ports`, it is a controller alone."""
    places = {f"{one.listener}": (port, one.protocol) for one, port in ports.items()}
    if ports:
        places["INTERNAL"] = (internal, "SASL_PLAINTEXT")
    advertised = ",".join(f"{name}://{HOST}:{port}" for name, (port, _) in places.items())
    protocols = {name: protocol for name, (_, protocol) in places.items()} | {"CONTROLLER": "SASL_PLAINTEXT"}
    if controller is not None:
        places["CONTROLLER"] = (controller, "SASL_PLAINTEXT")
    return {
        "listeners": ",".join(f"{name}://{HOST}:{port}" for name, (port, _) in places.items()),
        "advertised.listeners": advertised,
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "sasl.mechanism.controller.protocol": "PLAIN",
    }


def _public(key: Path) -> dict[str, str]:
    """Return an RSA key's public half as JSON Web Keys have it."""
    command = ["openssl", "rsa", "-in", str(key), "-noout", "-modulus"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    modulus = bytes.fromhex(said.strip().partition("=")[2])
    exponent = (65_537).to_bytes(3, "big")
    encoded = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (modulus, exponent)]
    return {"kty": "RSA", "kid": "tests", "use": "sig", "alg": "RS256", "n": encoded[0], "e": encoded[1]}
