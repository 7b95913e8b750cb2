"""How to reach the Kafka cluster, and what its clients are given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema, model_validator

from kafka_sentinel.settings.base import Section, Words, text_values

SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
ENDPOINT = r"^https?://[^\s@]+$"
MASK = "**********"
SENSITIVE = re.compile(r"password|secret|token|\.pem$|oauthbearer\.config")

# What the proof of loss rests on (docs/verdicts.md), what has a key of its own here, and what only a program can give.
OWN_KEYS = {
    "bootstrap.servers": "kafka.bootstrap_servers",
    "metadata.broker.list": "kafka.bootstrap_servers",
    "security.protocol": "kafka.security.protocol",
    "sasl.mechanism": "kafka.security.mechanism",
    "sasl.mechanisms": "kafka.security.mechanism",
    "sasl.username": "kafka.security.username",
    "sasl.password": "kafka.security.password",
    "sasl.oauthbearer.method": "kafka.security.token_url",
    "sasl.oauthbearer.client.id": "kafka.security.client_id",
    "sasl.oauthbearer.client.secret": "kafka.security.client_secret",
    "sasl.oauthbearer.token.endpoint.url": "kafka.security.token_url",
    "sasl.oauthbearer.scope": "kafka.security.scope",
    "ssl.ca.location": "kafka.security.ca_file",
    "ssl.certificate.location": "kafka.security.cert_file",
    "ssl.key.location": "kafka.security.key_file",
    "ssl.key.password": "kafka.security.key_password",
    "delivery.timeout.ms": "probe.delivery_timeout",
    "message.timeout.ms": "probe.delivery_timeout",
    "socket.timeout.ms": "probe.socket_timeout",
    "group.id": "group_consumer.group_id",
    "group.protocol": "group_consumer.protocol",
}
REFUSED_KEYS = frozenset(
    {
        "acks", "request.required.acks", "enable.idempotence", "enable.gapless.guarantee", "transactional.id",
        "transaction.timeout.ms", "max.in.flight", "max.in.flight.requests.per.connection", "retries",
        "message.send.max.retries", "linger.ms", "queue.buffering.max.ms", "partitioner", "delivery.report.only.error",
        "auto.offset.reset", "isolation.level", "client.rack", "check.crcs", "enable.auto.commit",
        "enable.auto.offset.store", "enable.partition.eof", "allow.auto.create.topics", "group.instance.id",
        "session.timeout.ms", "fetch.wait.max.ms", "reconnect.backoff.ms", "reconnect.backoff.max.ms",
        "socket.connection.setup.timeout.ms", "request.timeout.ms", "test.mock.num.brokers",
        "error_cb", "stats_cb", "throttle_cb", "log_cb", "oauth_cb", "logger", "on_delivery", "on_commit",
        "key.serializer", "value.serializer", "key.deserializer", "value.deserializer",
        "default.topic.config", "opaque", "interceptors", "plugin.library.paths",
    }
)  # fmt: skip


def _servers(value: object) -> object:
    return ",".join(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value


def _check_servers(value: str) -> str:
    for server in value.split(",") if value else ():
        match = SERVER.fullmatch(server.strip())
        if match is None or not 0 < int(match[1]) < 65536:  # noqa: PLR2004 - the highest port number
            raise ValueError("not a list of servers")
    return ",".join(server.strip() for server in value.split(","))


def _check_properties(value: dict[str, str]) -> dict[str, str]:
    for key in value:
        if key in OWN_KEYS:
            raise ValueError(f"{key} is not set here but by {OWN_KEYS[key]}")
        if key in REFUSED_KEYS:
            raise ValueError(f"{key} cannot be changed: what Sentinel proves rests on its own value")
    return value


def _check_readable(value: Path) -> Path:
    """Fail at start-up, where somebody reads the message, rather than at the first reconnect."""
    try:
        with value.open("rb"):
            return value
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None


def _secret_of(value: SecretStr | None, file: Path | None) -> str | None:
    """Return the secret. A file is read at each call."""
    if value is not None:
        return value.get_secret_value()
    return file.read_text(encoding="utf-8").strip("\r\n") if file is not None else None


Servers = Annotated[
    str,
    AfterValidator(_check_servers),
    BeforeValidator(_servers),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    Words("host:port, several separated by commas"),
]
ReadableFile = Annotated[Path, AfterValidator(_check_readable)]


class SecuritySettings(Section):
    """Encryption and authentication of every connection to Kafka."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How connections are encrypted (SSL) and authenticated (SASL)."
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"] | None = Field(
        default=None,
        description="SASL mechanism; needed with SASL_PLAINTEXT and SASL_SSL. AWS_MSK_IAM needs the extra `msk`.",
    )
    username: str | None = Field(default=None, description="SASL user name.")
    password: SecretStr | None = Field(
        default=None,
        description="SASL password. Better a `password_file` (a mounted Secret) or the variable than the file.",
    )
    password_file: ReadableFile | None = Field(
        default=None, description="File that holds the SASL password; one that changes is taken up within seconds."
    )
    token_file: ReadableFile | None = Field(
        default=None, description="For OAUTHBEARER: file that holds a token (JWT); read again before it runs out."
    )
    token_url: str | None = Field(
        default=None,
        pattern=ENDPOINT,
        description="For OAUTHBEARER: token endpoint (OAuth 2.0 client credentials), instead of `token_file`.",
    )
    client_id: str | None = Field(default=None, description="Who asks the token endpoint.")
    client_secret: SecretStr | None = Field(default=None, description="Secret of `client_id`.")
    client_secret_file: ReadableFile | None = Field(
        default=None, description="File that holds the secret of `client_id`; read again for each token."
    )
    scope: str | None = Field(default=None, description="Scope that the token endpoint is asked for.")
    token_ca_file: ReadableFile | None = Field(
        default=None,
        description="Certificates (PEM) that the token endpoint is verified with. Null: those of the system.",
    )
    aws_region: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{1,40}$",
        description="For AWS_MSK_IAM: region of the cluster. Keys and roles come from where boto3 finds them.",
    )
    ca_file: ReadableFile | None = Field(
        default=None, description="Certificates (PEM) that brokers are verified with. Null: those of the system."
    )
    cert_file: ReadableFile | None = Field(default=None, description="Client certificate (PEM) for mutual TLS.")
    key_file: ReadableFile | None = Field(default=None, description="Private key (PEM) of `cert_file`.")
    key_password: SecretStr | None = Field(default=None, description="Password of `key_file`.")
    key_password_file: ReadableFile | None = Field(
        default=None, description="File that holds the password of `key_file`."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> SecuritySettings:
        sasl, ssl = self.protocol.startswith("SASL"), self.protocol.endswith("SSL")
        for broken, sentence in (
            (self.password is not None and self.password_file is not None, "set password or password_file, not both"),
            (
                self.key_password is not None and self.key_password_file is not None,
                "set key_password or key_password_file, not both",
            ),
            (
                not sasl and (self.mechanism is not None or self._has_login or self._has_token or self._has_region),
                f"mechanism, username and password are not used with protocol {self.protocol}: set SASL_SSL",
            ),
            (
                not ssl and any((self.ca_file, self.cert_file, self.key_file)),
                f"ca_file, cert_file and key_file are not used with protocol {self.protocol}: set SSL or SASL_SSL",
            ),
            ((self.cert_file is None) != (self.key_file is None), "cert_file and key_file belong together"),
        ):
            if broken:
                raise ValueError(sentence)
        if sasl:
            self._mechanism_fits()
        return self

    def _mechanism_fits(self) -> None:
        """Raise ValueError if what is set is not what the mechanism takes."""
        name, secret = self.mechanism, self.client_secret is not None or self.client_secret_file is not None
        asks = bool(self.token_url and self.client_id and secret)
        asks_in_part = any((self.token_url, self.client_id, secret, self.scope, self.token_ca_file))
        bearer, aws = name == "OAUTHBEARER", name == "AWS_MSK_IAM"
        password = self.password is not None or self.password_file is not None
        for broken, sentence in (
            (
                not bearer and not aws and not (name and self.username and password),
                f"{self.protocol} needs mechanism, username and password (or password_file)",
            ),
            ((bearer or aws) and self._has_login, f"username and password are not used with mechanism {name}"),
            (not bearer and self._has_token, f"token_file, token_url and client_id are for OAUTHBEARER, found {name}"),
            (
                self.client_secret is not None and self.client_secret_file is not None,
                "set client_secret or client_secret_file, not both",
            ),
            (
                bearer and (asks_in_part if self.token_file else not asks),
                "OAUTHBEARER needs token_file, or token_url, client_id and client_secret (or client_secret_file)",
            ),
            (aws and self.aws_region is None, "AWS_MSK_IAM needs aws_region, such as eu-central-1"),
            (not aws and self._has_region, f"aws_region is for AWS_MSK_IAM, found {name}"),
            (aws and self.protocol != "SASL_SSL", "AWS_MSK_IAM needs protocol SASL_SSL"),
        ):
            if broken:
                raise ValueError(sentence)

    @property
    def _has_login(self) -> bool:
        return any(one is not None for one in (self.username, self.password, self.password_file))

    @property
    def _has_token(self) -> bool:
        secret = (self.client_secret, self.client_secret_file)
        asked = (self.token_file, self.token_url, self.client_id, self.scope, self.token_ca_file)
        return any(one is not None for one in (*secret, *asked))

    @property
    def _has_region(self) -> bool:
        return self.aws_region is not None

    @property
    def sasl_mechanism(self) -> str | None:
        """What Kafka calls it: MSK's IAM tokens are bearer tokens."""
        return "OAUTHBEARER" if self.mechanism == "AWS_MSK_IAM" else self.mechanism

    def read_password(self) -> str | None:
        """Return the SASL password. Raises OSError if its file has gone."""
        return _secret_of(self.password, self.password_file)

    def read_client_secret(self) -> str | None:
        """Return the secret that the token endpoint wants. Raises OSError if its file has gone."""
        return _secret_of(self.client_secret, self.client_secret_file)

    def read_key_password(self) -> str | None:
        """Return the private key's password. Raises OSError if its file has gone."""
        return _secret_of(self.key_password, self.key_password_file)


class KafkaSettings(Section):
    """Where Kafka is and how to connect to it."""

    bootstrap_servers: Servers = Field(default="", description="Brokers to start from. `run` and `check` need it.")
    cluster_name: str = Field(
        default="kafka",
        min_length=1,
        max_length=100,
        description="What people call this cluster: label `kafka_cluster`.",
    )
    security: SecuritySettings = SecuritySettings()
    properties: Annotated[dict[str, str], AfterValidator(_check_properties), BeforeValidator(text_values)] = Field(
        default_factory=dict,
        max_length=100,
        description="More librdkafka properties for every client. Those that Sentinel's proofs rest on are refused.",
    )

    def client_config(self) -> dict[str, str]:
        """Return what every librdkafka client is given, but for tokens. Holds secrets.

        Raises OSError if a secret's file has gone.
        """
        security = self.security
        config = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": security.protocol,
            "sasl.mechanism": security.sasl_mechanism,
            "sasl.username": security.username,
            "sasl.password": security.read_password(),
            "ssl.ca.location": security.ca_file,
            "ssl.certificate.location": security.cert_file,
            "ssl.key.location": security.key_file,
            "ssl.key.password": security.read_key_password(),
        }
        return self.properties | {key: str(value) for key, value in config.items() if value is not None}

    def masked_client_config(self) -> dict[str, str]:
        """Return `client_config` for people to read: secrets are replaced."""
        return {key: MASK if SENSITIVE.search(key) else value for key, value in self.client_config().items()}

    def secrets(self) -> tuple[str, ...]:
        """Return the values that must never be shown. Raises OSError if a secret's file has gone."""
        own = tuple(value for key, value in self.client_config().items() if SENSITIVE.search(key) and value)
        asked = self.security.read_client_secret()
        return (*own, asked) if asked else own

    def quorum_config(self) -> dict[str, object]:
        """Return the same connection in the words of kafka-python, which asks the KRaft quorum. Holds secrets."""
        security = self.security
        config: dict[str, object] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": security.protocol,
            "sasl_mechanism": security.sasl_mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": security.read_password(),
            "ssl_cafile": security.ca_file and str(security.ca_file),
            "ssl_certfile": security.cert_file and str(security.cert_file),
            "ssl_keyfile": security.key_file and str(security.key_file),
            "ssl_password": security.read_key_password(),
        }
        if self.properties.get("ssl.endpoint.identification.algorithm") == "none":
            config["ssl_check_hostname"] = False
        return {key: value for key, value in config.items() if value is not None}
