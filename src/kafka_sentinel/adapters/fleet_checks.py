"""What `kafka-sentinel check` says of what breaks brokers, where these are no pods. Nothing is run or rebooted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from kafka_sentinel.adapters.ensemble import SERVING, mode_of
from kafka_sentinel.adapters.msk_api import MissingExtraError, MskApi, MskError
from kafka_sentinel.core.check import Finding, Outcome
from kafka_sentinel.core.guards_provider import ACTIVE
from kafka_sentinel.settings import Settings


def check_fleet(settings: Settings) -> Iterator[Finding]:
    """Yield findings as they come. Raises nothing for what others say."""
    if settings.cannot_break:
        yield Finding(Outcome.FAIL, "experiments", settings.cannot_break)
    if settings.fleet == "command":
        yield from _programs(settings)
    if settings.fleet == "msk":
        yield _msk(settings)
    if settings.cluster.zookeeper:
        yield _zookeeper(settings)


def _programs(settings: Settings) -> Iterator[Finding]:
    for item in settings.experiments.items:
        names = dict.fromkeys(words[0] for words in (item.command, item.heal) if words)
        missing = [name for name in names if shutil.which(name) is None]
        if missing:
            sentence = f"experiment {item.name}: no program {', '.join(missing)} can be run here; see its `command`"
            yield Finding(Outcome.FAIL, "experiments", sentence)
        else:
            yield Finding(Outcome.OK, "experiments", f"experiment {item.name}: {', '.join(names)} can be run")


def _msk(settings: Settings) -> Finding:
    msk = settings.experiments.msk
    try:
        found = MskApi(msk.cluster_arn or "", msk.region, msk.endpoint_url).cluster()
    except (MissingExtraError, MskError) as error:
        return Finding(Outcome.FAIL, "msk", str(error))
    sentence = f"MSK says that the cluster is {found.state}, with brokers {', '.join(map(str, sorted(found.hosts)))}"
    if found.state != ACTIVE:
        return Finding(Outcome.WARN, "msk", f"{sentence}; no experiment runs before it is {ACTIVE}")
    return Finding(Outcome.OK, "msk", sentence)


def _zookeeper(settings: Settings) -> Finding:
    servers = settings.cluster.zookeeper
    silent = [server for server in servers if mode_of(server) not in SERVING]
    if not silent:
        return Finding(Outcome.OK, "zookeeper", f"all {len(servers)} servers say that they serve")
    sentence = f"{len(silent)} of {len(servers)} servers do not say that they serve: {', '.join(silent)}"
    return Finding(Outcome.FAIL, "zookeeper", f"{sentence}; each must answer `srvr` on its plain client port")
