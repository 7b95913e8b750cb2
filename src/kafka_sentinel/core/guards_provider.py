"""Guards that look at who runs the cluster: a provider says how it stands, and that it is the cluster we see."""

from __future__ import annotations

from kafka_sentinel.core.answers import Answer, judged, seconds
from kafka_sentinel.core.cluster import ProviderView
from kafka_sentinel.core.guard_input import GuardInput
from kafka_sentinel.core.targets import Target

ACTIVE = "ACTIVE"
MAX_PROVIDER_AGE = 90.0  # seconds; it is asked every 20


def provider(given: GuardInput, target: Target) -> Answer:
    """The provider, where one runs the cluster, said a moment ago that it is ACTIVE, and the targets are brokers of it.

    While it is repaired or updated it takes brokers away itself. By their addresses they are known to be of the cluster
    that was configured, and of no other that happens to have brokers of the same ids.
    """
    view, threshold = given.world.provider, f"{ACTIVE}, <= {MAX_PROVIDER_AGE:g} s old"
    if view is None:
        return Answer("provider", allowed=True, seen="run by nobody else", threshold=threshold)
    passed = None if view.asked is None else given.world.now.mono - view.asked.mono
    faults = [view.problem] if view.problem else []
    if not view.problem and (passed is None or not 0 <= passed <= MAX_PROVIDER_AGE):
        faults.append(f"how the provider says it stands is known as of {seconds(passed)} ago")
    if view.state != ACTIVE:
        faults.append(f"the provider says that the cluster is {view.state or 'in no known state'}")
    known = given.world.cluster.brokers if given.world.cluster is not None else {}
    faults += [fault for broker in sorted(target.brokers) if (fault := _stranger(broker, known.get(broker, ""), view))]
    return judged("provider", faults, f"{view.state}, {seconds(passed)} old", threshold)


def _stranger(broker: int, address: str, view: ProviderView) -> str:
    """Say why a broker of Kafka's metadata is not known to be the provider's of that id; "" if it is.

    A listener of another sort has another name in the same domain, as b-1-public. and b-1.scram. beside b-1.
    """
    host = address.rpartition(":")[0].lower()
    hosts = [one.lower() for one in view.hosts.get(broker, ())]
    domains = [domain for one in hosts if (domain := one.partition(".")[2])]
    if host in hosts or any(host.endswith(f".{domain}") for domain in domains):
        return ""
    return f"broker {broker} is {host or 'nowhere'}, the provider's is {', '.join(hosts[:3]) or 'not known'}"
