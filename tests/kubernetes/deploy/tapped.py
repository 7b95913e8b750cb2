"""Sentinel in a pod, with what its clients heard written down before any ledger saw it."""

from __future__ import annotations

from pathlib import Path

from tests.kafka.sentinel import Key, heard_in
from tests.kubernetes.deploy.sentinel import FILE, Sentinel

SCRIPT = Path(__file__).parents[2] / "kafka" / "tapped.py"
TAP = "/tmp/heard.jsonl"  # in its container


class TappedSentinel(Sentinel):
    def acked(self, partition: int = 0) -> set[Key]:
        """Return (run, sequence) of everything that was acknowledged with acks=all so far."""
        return self._heard("acked", partition)

    def read(self, partition: int = 0) -> set[Key]:
        """Return (run, sequence) of everything that its verifier has read so far."""
        return self._heard("read", partition)

    def _heard(self, said: str, partition: int) -> set[Key]:
        done = self.exec("cat", TAP)
        assert done.returncode == 0, done.stderr
        return heard_in(done.stdout, said, partition)

    def _config_map(self) -> dict:
        found = super()._config_map()
        found["data"][SCRIPT.name] = SCRIPT.read_text()
        return found

    def _deployment(self) -> dict:
        found = super()._deployment()
        [container] = found["spec"]["template"]["spec"]["containers"]
        container["command"] = ["python3", str(Path(FILE).with_name(SCRIPT.name)), TAP, FILE]
        return found
