"""Finds out, beside everything else, why the daemon cannot use Kafka: by the questions that `check` asks."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kafka_sentinel.adapters.certificates import expiries
from kafka_sentinel.adapters.check_client import KafkaAnswers, Unanswered
from kafka_sentinel.adapters.checks import of_kafka
from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker, adapter_error
from kafka_sentinel.core.check import trouble_of
from kafka_sentinel.core.connection import Trouble
from kafka_sentinel.core.events import CertificatesRead, ConnectionExamined
from kafka_sentinel.settings import Settings

SECONDS = 8.0  # for one answer
CERTIFICATES_EVERY = 30.0  # seconds; a mounted Secret changes while we run


def examine(settings: Settings, seconds: float = SECONDS) -> Trouble | None:
    """Ask what `check` asks of Kafka. Returns the first thing that is wrong. `seconds`: for each answer."""
    try:
        kafka = KafkaAnswers(settings.kafka, timeout=seconds)
        cluster = kafka.cluster()
        return next(filter(None, map(trouble_of, of_kafka(settings, kafka, cluster))), None)
    except Unanswered as error:
        return Trouble(error.reason, str(error))


class Diagnosis:
    """Posts ConnectionExamined when asked, and CertificatesRead when there is another date in one of the files."""

    def __init__(
        self,
        settings: Settings,
        *,
        post: Post,
        now: Now,
        on_death: OnDeath,
        look: Callable[[Settings], Trouble | None] = examine,
        every: float = CERTIFICATES_EVERY,
    ) -> None:
        self._settings = settings
        security = settings.kafka.security
        files = {"ca_file": security.ca_file, "cert_file": security.cert_file}
        self._files = {key: file for key, file in files.items() if file is not None}
        self._known: dict[str, float] = {}
        self._post = post
        self._now = now
        self._look = look
        self._every = every
        self._asked = threading.Event()
        self._worker = Worker("diagnosis", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Return whether the thread has ended within `timeout` seconds. May be called again."""
        self._worker.stopping.set()
        self._asked.set()
        return self._worker.stop(timeout)

    def examine(self) -> None:
        """Have a look soon. Asking again before it is answered adds nothing."""
        self._asked.set()

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            self._read_certificates()
            if self._asked.wait(self._every) and not self._worker.stopping.is_set():
                self._asked.clear()
                self._examine()

    def _examine(self) -> None:
        trouble = None
        try:
            trouble = self._look(self._settings)
        except Exception as error:  # noqa: BLE001 - a view beside the proof: whatever it meets, it has nothing to say
            self._post([adapter_error(self._now(), "diagnosis", error)])
        self._post([ConnectionExamined(self._now(), trouble)])

    def _read_certificates(self) -> None:
        at = self._now()
        found = expiries(self._files, at.wall)
        if found != self._known:
            self._known = found
            self._post([CertificatesRead(at, found)])
