"""One incarnation of the probe producer: a librdkafka client, and what it reported, collected without judgement."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from time import monotonic
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kafka_sentinel.adapters.kafka_client import ClientProperties, client_config, describe, error_name, kafka_error
from kafka_sentinel.core.types import Acks

MAX_ERRORS = 100  # client errors kept between two polls; a reconnect loop repeats itself
FEW = 1_000.0  # records per second and partition up to which each is sent at once
LINGER = 0.005  # seconds in which faster ones gather: many small requests cost the brokers and us half as much again
REJECTED = "_error"  # where the client puts the error of a message that it did not take


@dataclass(frozen=True, slots=True)
class ProducerOptions:
    """`common`: bootstrap servers and security. Times in seconds. `extra` overrides any client property."""

    common: ClientProperties
    topic: str
    acks: Acks
    instance: int
    record_size: int = 200
    interval: float = 0.1
    records_per_second: float = 10.0  # per partition
    delivery_timeout: float = 30.0
    queue_limit: int = 100_000
    extra: ClientProperties = field(default_factory=dict)

    def client_properties(self) -> dict[str, Any]:
        return client_config(
            {"socket.timeout.ms": 2_000},
            self.common,
            {
                "client.id": f"kafka-sentinel-producer-{self.acks}",
                "acks": self.acks.value,
                "enable.idempotence": self.acks is Acks.ALL,
                # Of several on their way, a leader that knows nothing of this client (its disk is new, or it was not
                # ready) may take a later one than it refused. The client then acknowledges what was never written, or
                # writes it twice (KAFKA-15591). One alone cannot be overtaken; batches grow, so it is no slower.
                "max.in.flight.requests.per.connection": 1,
                "linger.ms": LINGER * 1000 if self.records_per_second > FEW else 0,
                "delivery.timeout.ms": int(self.delivery_timeout * 1000),
                "queue.buffering.max.messages": self.queue_limit,
            },
            self.extra,
        )


@dataclass(slots=True)
class Reports:
    """What the client said since it was last asked. `messages` are delivery reports, in order, failed ones included."""

    messages: list[Message] = field(default_factory=list)
    errors: list[KafkaError] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.messages or self.errors)


class ProducerClient:
    """Used by one thread only, so that the order of its reports is the order in which things became known.

    Callbacks only collect: calling into the client, or into an error, from inside one is undefined while a fatal error
    is on its way.
    """

    def __init__(self, options: ProducerOptions) -> None:
        self._topic = options.topic
        self._reports = Reports()
        self.fatal: tuple[str, str] | None = None  # code and text of the fatal error this client died of
        self._producer = Producer(
            {**options.client_properties(), "on_delivery": self._delivered, "error_cb": self._failed}
        )

    def _delivered(self, _: KafkaError | None, message: Message) -> None:
        self._reports.messages.append(message)

    def _failed(self, error: KafkaError) -> None:
        if len(self._reports.errors) < MAX_ERRORS:
            self._reports.errors.append(error)

    def __len__(self) -> int:
        """Return the number of messages handed over and not reported yet."""
        return len(self._producer)

    def sign_in(self, username: str, password: str) -> None:
        """Use another password from the next connection on."""
        self._producer.set_sasl_credentials(username, password)

    def send(self, partition: int, messages: list[dict[str, Any]]) -> list[tuple[int, str]]:
        """Hand over `messages`. Returns (index, code) of those the client refused, which were certainly not written.

        The client raises only before it takes the first message; those it refuses one by one it marks.
        """
        try:
            queued = self._producer.produce_batch(self._topic, messages, partition=partition)
        except (KafkaException, BufferError) as exception:
            code, _ = describe(exception)
            return [(index, code) for index in range(len(messages))]
        if queued == len(messages):
            return []
        refused = [(index, message[REJECTED]) for index, message in enumerate(messages) if REJECTED in message]
        for _, error in refused:
            self._note_fatal(error)
        return [(index, error_name(error.code())) for index, error in refused]

    def poll(self, timeout: float) -> Reports:
        """Serve what the client has to report, waiting at most `timeout` seconds for the first of it."""
        try:
            # The client cuts to milliseconds: if they were not rounded up, the caller would spin through the last one.
            self._producer.poll((ceil(timeout * 1000) + 0.5) / 1000)
        except KafkaException as exception:
            self._note_fatal(kafka_error(exception), certain=True)
        reports, self._reports = self._reports, Reports()
        for error in reports.errors:
            self._note_fatal(error)
        return reports

    def abandon(self, timeout: float) -> Reports:
        """Give up everything in flight and collect what the client says of it, for at most `timeout` seconds.

        What it does not report in that time is as uncertain as what it reports as purged.
        """
        deadline = monotonic() + timeout
        self._producer.purge()
        gathered = Reports()
        while True:
            reports = self.poll(0.05)
            gathered.messages += reports.messages
            gathered.errors += reports.errors
            if len(self._producer) == 0 or monotonic() >= deadline:
                return gathered

    def _note_fatal(self, error: KafkaError, *, certain: bool = False) -> None:
        vague = self.fatal is None or self.fatal[0] == error_name(KafkaError._FATAL)  # noqa: SLF001 - the client's public name for it
        if vague and (certain or error.fatal() or error.code() == KafkaError._FATAL):  # noqa: SLF001 - the client's public name for it
            self.fatal = error_name(error.code()), error.str()
