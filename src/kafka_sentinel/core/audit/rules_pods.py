"""What the pods of brokers are judged by: who may evict them, what keeps them apart, how they are ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kafka_sentinel.core.audit.facts import Facts, Part
from kafka_sentinel.core.audit.finding import Found, Rule, Severity, counted, named
from kafka_sentinel.core.audit.rules_placement import APART, PODS, brokers, kubernetes, names
from kafka_sentinel.core.kubernetes.fleet import BrokerPod, Flavour
from kafka_sentinel.core.kubernetes.views import HOSTNAME_LABEL

SHUTDOWN_TRIES, SHUTDOWN_PAUSE = 3, 5_000  # Kafka's own controlled.shutdown.max.retries and retry.backoff.ms
CLOSING = 15  # seconds a broker may need to flush and close its logs once it leads nothing


def _no_budget(facts: Facts) -> Iterator[Found]:
    pods = [pod for pod in kubernetes(facts).fleet if not pod.budgets]
    if pods:
        yield Found(f"no disruption budget matches {named(names(pods))}", names(pods))


def _wide_budget(facts: Facts) -> Iterator[Found]:
    here = kubernetes(facts)
    used = {pod.budgets[0] for pod in here.fleet if len(pod.budgets) == 1}
    allowing = {name: here.budgets[name] for name in sorted(used) if name in here.budgets}
    for name, budget in allowing.items():
        if (budget.allows or 0) > 1:
            said = f"disruption budget {name} ({budget.text}) lets {budget.allows} of {budget.expected} pods go at once"
            yield Found(said, (name,))
    together = [name for name, budget in allowing.items() if budget.allows == 1]
    if len(together) > 1:
        yield Found(f"the disruption budgets {named(together)} each let a pod go, at the same time", tuple(together))


def _several_budgets(facts: Facts) -> Iterator[Found]:
    pods = [pod for pod in kubernetes(facts).fleet if len(pod.budgets) > 1]
    if pods:
        which = named(sorted({name for pod in pods for name in pod.budgets}))
        yield Found(f"several disruption budgets ({which}) match {named(names(pods))}", names(pods))


def _blocking_budget(facts: Facts) -> Iterator[Found]:
    here = kubernetes(facts)
    if here.drain_cleaner:
        return
    for name in sorted({name for pod in here.fleet for name in pod.budgets}):
        budget = here.budgets.get(name)
        if budget is not None and budget.allows == 0:
            yield Found(f"disruption budget {name} ({budget.text}) never lets a pod go", (name,))


def _not_apart(facts: Facts) -> Iterator[Found]:
    here = kubernetes(facts)
    free, soft = [], []
    for pod in here.fleet.pods.values():
        spec = here.pods.get(pod.uid)
        if spec is None:
            continue
        ours = [one for one in spec.separations if one.topology == HOSTNAME_LABEL and one.concerns(spec.labels)]
        if not ours:
            free.append(pod)
        elif not any(one.required for one in ours):
            soft.append(pod)
    if len(here.fleet.pods) < 2:  # noqa: PLR2004 - one broker shares nothing
        return
    if free:
        yield Found(f"nothing keeps {named(names(free))} off the node of another broker", names(free))
    if soft:
        wished = f"{named(names(soft))} only prefer another node than that of another broker"
        yield Found(wished, names(soft), Severity.INFO)


def _no_drain_cleaner(facts: Facts) -> Iterator[Found]:
    if kubernetes(facts).drain_cleaner is False:
        yield Found("evictions of Kafka's pods are answered by their disruption budget alone")


def _short_grace(facts: Facts) -> Iterator[Found]:
    here = kubernetes(facts)
    groups: dict[tuple[int, int], list[BrokerPod]] = defaultdict(list)
    for number, pod in sorted(here.fleet.pods.items()):
        spec = here.pods.get(pod.uid)
        needed = _shutdown_seconds(facts, number)
        if spec is not None and spec.grace < needed:
            groups[spec.grace, needed].append(pod)
    for (grace, needed), pods in sorted(groups.items()):
        said = f"{brokers(pods)} {'is' if len(pods) == 1 else 'are'} killed {grace} s after being told to end"
        yield Found(f"{said}, and may need {needed} s to hand over and close", names(pods))


def _shutdown_seconds(facts: Facts, broker: int) -> int:
    """Return what a controlled shutdown may take: its tries, and closing the logs."""
    known = facts.kafka.brokers.get(broker) if facts.kafka is not None else None
    tries = known.number("controlled.shutdown.max.retries") if known is not None else None
    pause = known.number("controlled.shutdown.retry.backoff.ms") if known is not None else None
    tries = SHUTDOWN_TRIES if tries is None else tries
    pause = SHUTDOWN_PAUSE if pause is None else pause
    return tries * pause // 1000 + CLOSING


def _no_memory(facts: Facts) -> Iterator[Found]:
    here = kubernetes(facts)
    pods = [pod for pod in here.fleet if (spec := here.pods.get(pod.uid)) is not None and not spec.memory]
    if pods:
        yield Found(f"{counted(len(pods), 'pod')} without a request for memory: {named(names(pods))}", names(pods))


def _paused(facts: Facts) -> Iterator[Found]:
    kafka = kubernetes(facts).fleet.kafka
    if kafka is not None and kafka.paused:
        yield Found(f"the Kafka resource {kafka.meta.full_name} is paused", (kafka.meta.full_name,))


POD_RULES = (
    Rule(
        "budget-missing",
        (Severity.CRITICAL,),
        "No disruption budget",
        "An upgrade or a consolidation that drains several nodes may evict all brokers at the same time.",
        {
            Flavour.AUTO: "make a PodDisruptionBudget with maxUnavailable 1 over all pods of the cluster",
            Flavour.STRIMZI: "the operator makes one unless STRIMZI_POD_DISRUPTION_BUDGET_GENERATION is false: see its "
            "Deployment; make your own then",
            Flavour.BITNAMI: "set controller.pdb.create and broker.pdb.create: true in the chart's values",
        },
        PODS | {Part.BUDGETS},
        _no_budget,
    ),
    Rule(
        "budget-too-wide",
        (Severity.CRITICAL,),
        "The disruption budget lets several pods go at once",
        "Two brokers that are drained together take partitions below min.insync.replicas: writes stop.",
        {
            Flavour.AUTO: "one budget with maxUnavailable 1 over brokers and controllers together",
            Flavour.STRIMZI: "set template.podDisruptionBudget.maxUnavailable: 1 (or 0 with Strimzi's Drain Cleaner) "
            "in spec.kafka of the Kafka resource",
            Flavour.BITNAMI: "the chart makes a budget for each StatefulSet: switch them off (controller.pdb.create, "
            "broker.pdb.create: false) and make one over all pods of the release",
        },
        PODS | {Part.BUDGETS},
        _wide_budget,
    ),
    Rule(
        "budgets-overlap",
        (Severity.WARNING,),
        "Several disruption budgets for one pod",
        "Kubernetes refuses to evict such a pod, so drains of its node never end.",
        {Flavour.AUTO: "leave one budget for each pod"},
        PODS | {Part.BUDGETS},
        _several_budgets,
    ),
    Rule(
        "budget-blocks-drains",
        (Severity.WARNING,),
        "The disruption budget allows no eviction at all",
        "A drain waits for ever, or until its deadline, when the node is taken with the broker running.",
        {
            Flavour.AUTO: "allow one (maxUnavailable 1)",
            Flavour.STRIMZI: "install Strimzi's Drain Cleaner, which such a budget is meant for, or allow one "
            "(template.podDisruptionBudget.maxUnavailable: 1)",
        },
        PODS | {Part.BUDGETS, Part.DRAIN_CLEANER},
        _blocking_budget,
    ),
    Rule(
        "no-anti-affinity",
        (Severity.WARNING, Severity.INFO),
        "Nothing keeps brokers on different nodes",
        "Where brokers are is chance: after the next reclaim two may come up on one node.",
        APART,
        PODS,
        _not_apart,
    ),
    Rule(
        "no-drain-cleaner",
        (Severity.WARNING,),
        "No Strimzi Drain Cleaner",
        "The budget counts pods that are ready, not replicas that are in sync: it lets a drain take the next broker "
        "while the one before still catches up. With it the operator rolls the pod, and looks at the ISR first.",
        {
            Flavour.AUTO: "install Strimzi's Drain Cleaner; keep in mind that the operator acts at its next "
            "reconciliation, within two minutes by default, which is all the notice a spot node gives",
        },
        PODS | {Part.DRAIN_CLEANER},
        _no_drain_cleaner,
        Flavour.STRIMZI,
    ),
    Rule(
        "grace-period-short",
        (Severity.WARNING,),
        "Brokers are killed before they can hand over",
        "A broker that is killed during its controlled shutdown leaves partitions without leader until its session "
        "times out, and has to check its logs at the next start.",
        {
            Flavour.AUTO: "raise terminationGracePeriodSeconds of the pods",
            Flavour.STRIMZI: "raise template.pod.terminationGracePeriodSeconds in the KafkaNodePools (or spec.kafka)",
            Flavour.BITNAMI: "raise controller.terminationGracePeriodSeconds and that of broker in the chart's values",
        },
        PODS,
        _short_grace,
    ),
    Rule(
        "no-memory-request",
        (Severity.WARNING,),
        "Pods that ask for no memory",
        "They are the first to be evicted or killed when the node runs short, whatever their budget says.",
        {
            Flavour.AUTO: "set requests and limits of memory of every container",
            Flavour.STRIMZI: "set resources.requests.memory and limits in the KafkaNodePools (or spec.kafka)",
        },
        PODS,
        _no_memory,
    ),
    Rule(
        "kafka-resource-paused",
        (Severity.WARNING,),
        "The operator's work is paused",
        "It makes pods again and does nothing else: no certificate is renewed, no change is rolled out.",
        {Flavour.AUTO: "take the annotation strimzi.io/pause-reconciliation off the Kafka resource"},
        frozenset({Part.PODS, Part.KAFKA_RESOURCE}),
        _paused,
        Flavour.STRIMZI,
    ),
)
