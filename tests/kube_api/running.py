"""A whole Sentinel in this process, beside a scripted API server and no Kafka that answers."""

from __future__ import annotations

import json
import threading
import time
import urllib.request

from kafka_sentinel.adapters import logs
from kafka_sentinel.adapters.state_file import StateFileError
from kafka_sentinel.runtime import Runtime
from kafka_sentinel.settings import Settings


class Running:
    def __init__(self, kubeconfig, **sections):
        kubernetes = {"enabled": True, "namespace": "kafka", "kubeconfig": str(kubeconfig)}
        given = {
            "kafka": {"bootstrap_servers": "127.0.0.1:1"},
            "http": {"host": "127.0.0.1", "port": 0},
            "group_consumer": {"enabled": False},
            **sections,
            "kubernetes": kubernetes | sections.get("kubernetes", {}),
        }
        logs.configure(Settings().log)  # to the standard error of this test, whatever another one set up
        self.runtime = Runtime(Settings.model_validate(given))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.exit_code = None
        self.error = ""

    def _run(self):
        try:
            self.exit_code = self.runtime.run()
        except StateFileError as error:
            self.exit_code, self.error = 3, str(error)

    def start(self):
        self._thread.start()
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.end()
        assert self.exit_code == 0

    def end(self):
        """Have it end, and wait until it has. Returns its exit code."""
        self.runtime.stop()
        return self.ended()

    def ended(self):
        """Wait until it has ended. Returns its exit code."""
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.exit_code

    @property
    def status(self):
        return self.runtime.snapshot.get() or {}

    def wait(self, predicate, seconds=30.0):
        deadline = time.monotonic() + seconds
        while not (self.status and predicate(self.status)):
            shown = {name: self.status.get(name) for name in ("health", "experiments", "kubernetes")}
            assert time.monotonic() < deadline, json.dumps(shown, indent=1)
            time.sleep(0.05)
        return self.status

    def metric(self, name, **labels):
        labels = {"kafka_cluster": "kafka", **labels}
        return self.runtime.metrics.registry.get_sample_value(f"kafka_sentinel_{name}", labels)

    def page(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.runtime.web.port}{path}", timeout=10) as answer:
            return answer.read().decode()
