"""Waits until nothing of what experiments did is in effect any more, and undoes it where no Sentinel does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kafka_sentinel.cli.common import FAILED_CHECK, Trouble, say
from kafka_sentinel.cli.telling import LOOK_EVERY, Telling
from kafka_sentinel.settings import Settings

if TYPE_CHECKING:
    from kafka_sentinel.adapters.kubernetes.effects import Effect, Effects

SHARE = 30.0  # seconds that a Sentinel which took note has for itself, until it is undone from here as well
QUIET = 5.0  # seconds without any effect: what was under way when the pause came may still arrive
ANYWAY = "Whoever removes it now leaves that behind: `helm uninstall --no-hooks` does."


def pause_until_undone(telling: Telling, settings: Settings, why: str, seconds: float) -> None:
    """Pause, and return when nothing is in effect. Raises Trouble if something still is after `seconds`."""
    from kafka_sentinel.adapters.kubernetes.effects import Effects  # noqa: PLC0415 - loads the Kubernetes client
    from kafka_sentinel.kubernetes_wiring import places  # noqa: PLC0415 - as above

    end = time.monotonic() + seconds
    heard = telling.hold(why)
    names = (item.name for item in settings.experiments.items)
    effects = Effects(telling.api, owner=telling.place, namespace=places(settings).kafka, experiments=names)
    _wait(effects, share=SHARE if heard else 0.0, end=end, seconds=seconds)


def _wait(effects: Effects, *, share: float, end: float, seconds: float) -> None:
    from kafka_sentinel.adapters.kubernetes.errors import ApiError  # noqa: PLC0415 - as above

    began = time.monotonic()
    busy = began  # when something was in effect last, as far as it could be seen
    while True:
        problem = ""
        found: list[Effect] = []
        now = time.monotonic()
        try:
            found = effects.found()
            for effect in found if now - began >= share else ():
                effect.undo()
        except ApiError as error:
            problem = f"kubernetes: {error}"
        if found or problem:
            busy = now
        elif now - busy >= QUIET:
            say("nothing that an experiment did is in effect")
            return
        if (found or problem) and now >= end:
            words = "; ".join([*(effect.words for effect in found), *([problem] if problem else [])])
            raise Trouble(f"still in effect after {seconds:g} s: {words}.", ANYWAY, code=FAILED_CHECK)
        time.sleep(LOOK_EVERY)
