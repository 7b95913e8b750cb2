"""What the commands ask of Kubernetes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from kafka_sentinel.core.check import Finding, Outcome
from kafka_sentinel.settings import Settings

if TYPE_CHECKING:
    from kafka_sentinel.core.kubernetes.fleet import KafkaSays


def check_kubernetes(settings: Settings) -> Callable[[KafkaSays], Iterator[Finding]]:
    """Return what `check` looks at in Kubernetes. Loads its client."""
    from kafka_sentinel.adapters.kubernetes.checks import kubernetes_findings  # noqa: PLC0415 - as above
    from kafka_sentinel.adapters.kubernetes.errors import ApiError  # noqa: PLC0415 - as above
    from kafka_sentinel.core.check import Finding  # noqa: PLC0415 - loads the Kafka clients
    from kafka_sentinel.kubernetes_wiring import answers  # noqa: PLC0415 - loads the Kubernetes client
    from kafka_sentinel.runtime import now  # noqa: PLC0415 - as above

    def look(says: KafkaSays) -> Iterator[Finding]:
        spec = settings.kubernetes.fleet()
        assert spec is not None
        try:
            found = answers(settings, now)
        except ApiError as error:
            yield Finding(Outcome.FAIL, "kubernetes", str(error))
            return
        yield from kubernetes_findings(
            found,
            spec,
            says,
            now(),
            keeps_state=settings.config_map is not None,
            faults=settings.experiments.may_be_done,
        )

    return look
