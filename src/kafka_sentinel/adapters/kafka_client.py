"""What all Kafka adapters share: client properties, names of errors, and a thread whose death is reported."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from confluent_kafka import KafkaError, KafkaException

from kafka_sentinel.core.events import AdapterError, Event
from kafka_sentinel.core.types import Instant

ClientValue = str | int | float | bool | Callable[..., object]  # the last: what the client calls back
ClientProperties = Mapping[str, ClientValue]
Post = Callable[[Sequence[Event]], None]  # hands a batch of events to the mailbox, in order; may block
Now = Callable[[], Instant]
OnDeath = Callable[[str, BaseException], None]

# These decide what an outage looks like: a broker that hangs must be given up in seconds, not in the default minute.
DEFAULTS: ClientProperties = {
    "socket.timeout.ms": 3_000,
    "socket.connection.setup.timeout.ms": 2_000,
    "socket.keepalive.enable": True,
    # What these wait for is added to every outage we measure: keep it below a probe interval.
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 100,
    "retry.backoff.ms": 50,
    "retry.backoff.max.ms": 100,
    "topic.metadata.refresh.interval.ms": 500,  # a leader that hangs does not say that there is a new one
    "allow.auto.create.topics": False,
    "log_level": 0,  # errors arrive as events; a broker being down would otherwise fill standard error
    "log.queue": True,  # and a queue that nobody reads keeps the rest off it, the text of fatal errors
}


def client_config(*layers: ClientProperties) -> dict[str, ClientValue]:
    """Return the defaults overridden by each of `layers` in turn."""
    config = dict(DEFAULTS)
    for layer in layers:
        config.update(layer)
    if config["log_level"] != DEFAULTS["log_level"]:
        config["log.queue"] = False  # somebody wants to see it, and the queue would grow
    return config


@lru_cache(maxsize=512)
def error_name(code: int) -> str:
    """Return the name of a librdkafka error code, as `_MSG_TIMED_OUT`: a bounded set."""
    return KafkaError(code).name()


def kafka_error(exception: KafkaException) -> KafkaError:
    """Return the error inside a KafkaException."""
    error = exception.args[0] if exception.args else None
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError._FAIL, str(exception))  # noqa: SLF001 - the client's public name for it


def describe(error: BaseException) -> tuple[str, str]:
    """Return a bounded code and a sentence for any exception a client raised."""
    if isinstance(error, KafkaException):
        inner = kafka_error(error)
        return error_name(inner.code()), inner.str()
    return type(error).__name__, str(error) or type(error).__name__


def adapter_error(at: Instant, subject: str, error: BaseException | KafkaError) -> AdapterError:
    code, message = (error_name(error.code()), error.str()) if isinstance(error, KafkaError) else describe(error)
    return AdapterError(at, subject, code, message)


class Worker:
    """A daemon thread that runs `body` until `stopping` is set. Ending in any other way is reported to `on_death`."""

    def __init__(self, name: str, body: Callable[[], None], on_death: OnDeath) -> None:
        self.name = name
        self.stopping = threading.Event()
        self._body = body
        self._on_death = on_death
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Ask the thread to end and wait at most `timeout` seconds. Returns whether it has ended. May be repeated."""
        self.stopping.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._body()
        except BaseException as error:  # noqa: BLE001 - reported, whatever it is: a silent thread would be a blind spot
            self._on_death(self.name, error)
        else:
            if not self.stopping.is_set():
                self._on_death(self.name, RuntimeError(f"{self.name} ended without being asked to"))
