"""What access is judged by: listeners in plain text, clients that nobody knows, rules that allow everybody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kafka_sentinel.core.audit.facts import AclFacts, BrokerFacts, Facts, KafkaFacts, Part
from kafka_sentinel.core.audit.finding import Found, Rule, Severity, named
from kafka_sentinel.core.kubernetes.fleet import Flavour

SETTINGS = frozenset({Part.BROKERS, Part.BROKER_SETTINGS})
ANYBODY = frozenset({"User:*", "User:ANONYMOUS"})
CHANGING = frozenset({"All", "Write", "Create", "Delete", "Alter", "AlterConfigs", "ClusterAction", "IdempotentWrite"})
FOR_STRIMZI = "in spec.kafka.listeners of the Kafka resource"


def _kafka(facts: Facts) -> KafkaFacts:
    assert facts.kafka is not None, "a rule that needs Kafka is not judged without"
    return facts.kafka


def protocols(broker: BrokerFacts) -> dict[str, str]:
    """Return name → security protocol of the listeners of a broker that clients or brokers connect to."""
    pairs = (each.partition(":") for each in (broker.value("listener.security.protocol.map") or "").split(",") if each)
    known = {name.strip().upper(): protocol.strip().upper() for name, _, protocol in pairs}
    of_controllers = {each.strip().upper() for each in (broker.value("controller.listener.names") or "").split(",")}
    names = [each.partition("://")[0].strip().upper() for each in (broker.value("listeners") or "").split(",") if each]
    return {name: known.get(name, name) for name in names if name not in of_controllers}


def _listeners(facts: Facts) -> dict[tuple[str, str], list[BrokerFacts]]:
    """Return (name, protocol) → the brokers that have such a listener."""
    found: dict[tuple[str, str], list[BrokerFacts]] = defaultdict(list)
    for _, broker in sorted(_kafka(facts).brokers.items()):
        for key in protocols(broker).items():
            found[key].append(broker)
    return dict(sorted(found.items()))


def _outside(facts: Facts, listener: str) -> bool:
    """Tell whether the Kafka resource offers a listener to clients outside. (Strimzi calls it NAME-PORT.)"""
    given = facts.kubernetes.listeners if facts.kubernetes is not None else ()
    return any(one.is_outside and listener.lower().rpartition("-")[0] == one.name.lower() for one in given)


def _is_strimzis_own(name: str) -> bool:
    """Tell whether Strimzi uses a listener for itself: the control plane's and the brokers' own, over mutual TLS."""
    return name.startswith(("REPLICATION-", "CONTROLPLANE-"))


def _plain(facts: Facts) -> Iterator[Found]:
    for (name, protocol), brokers in _listeners(facts).items():
        if protocol in {"PLAINTEXT", "SASL_PLAINTEXT"}:
            outside = _outside(facts, name)
            severity = Severity.CRITICAL if outside else Severity.WARNING
            where = ", offered outside of the Kubernetes cluster," if outside else ""
            yield Found(f"listener {name}{where} is {protocol} on {_ids(brokers)}", (name,), severity)


def _ids(brokers: list[BrokerFacts]) -> str:
    return f"{'broker' if len(brokers) == 1 else 'brokers'} {named(str(one.broker) for one in brokers)}"


def _anonymous(facts: Facts) -> Iterator[Found]:
    for (name, protocol), brokers in _listeners(facts).items():
        if protocol.startswith("SASL") or _is_strimzis_own(name):
            continue
        open_ones = [one for one in brokers if protocol == "PLAINTEXT" or not _asks_for_certificate(one, name)]
        if open_ones:
            outside = _outside(facts, name)
            severity = Severity.CRITICAL if outside else Severity.WARNING
            yield Found(f"listener {name} ({protocol}) lets clients in unnamed on {_ids(open_ones)}", (name,), severity)


def _asks_for_certificate(broker: BrokerFacts, listener: str) -> bool:
    own = broker.value(f"listener.name.{listener.lower()}.ssl.client.auth")
    return (own or broker.value("ssl.client.auth") or "none").lower() == "required"


def _no_authorizer(facts: Facts) -> Iterator[Found]:
    if _kafka(facts).has_authorizer is False:
        yield Found("there is no authorizer: whoever may connect may do everything")


def _open_by_default(facts: Facts) -> Iterator[Found]:
    # A setting of the authorizer's own: Kafka tells that it is set, and hides to what.
    brokers = [
        one
        for _, one in sorted(_kafka(facts).brokers.items())
        if one.settings is not None and "allow.everyone.if.no.acl.found" in one.settings
    ]
    if brokers and _kafka(facts).has_authorizer is not False:
        yield Found(
            f"allow.everyone.if.no.acl.found is set on {_ids(brokers)}; Kafka does not tell to what",
            tuple(str(one.broker) for one in brokers),
        )


def _for_everybody(facts: Facts) -> Iterator[Found]:
    groups: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for acl in _acls(facts):
        if acl.principal in ANYBODY and acl.operation != "Describe":
            groups[acl.principal, acl.resource, _place(acl)].add(acl.operation)
    for (principal, resource, place), operations in sorted(groups.items()):
        severity = Severity.CRITICAL if operations & CHANGING else Severity.WARNING
        said = f"{principal} may {named(sorted(operations))} on {resource.lower()} {place}"
        yield Found(said, (principal,), severity)


def _for_everything(facts: Facts) -> Iterator[Found]:
    groups: dict[str, set[str]] = defaultdict(set)
    for acl in _acls(facts):
        everywhere = acl.name == "*" or acl.resource == "Cluster"
        if acl.principal not in ANYBODY and acl.operation == "All" and everywhere:
            groups[acl.principal].add(acl.resource.lower())
    if groups:
        said = [f"{principal} (every {named(sorted(of))})" for principal, of in sorted(groups.items())]
        yield Found(f"may do everything: {named(said)}", tuple(sorted(groups)))


def _acls(facts: Facts) -> Iterator[AclFacts]:
    return (acl for acl in _kafka(facts).acls or () if acl.allows)


def _place(acl: AclFacts) -> str:
    return f"{acl.name}*" if acl.pattern == "Prefixed" else acl.name


SECURITY_RULES = (
    Rule(
        "plaintext-listener",
        (Severity.CRITICAL, Severity.WARNING),
        "Listeners in plain text",
        "Whoever sits on the way reads records and passwords, and may change both.",
        {
            Flavour.AUTO: "offer SSL or SASL_SSL instead (listener.security.protocol.map), move clients, take it out",
            Flavour.STRIMZI: f"set tls: true {FOR_STRIMZI}, move clients, take the other out",
            Flavour.BITNAMI: "set listeners.client.protocol: SASL_SSL (or SSL) in the chart's values",
        },
        SETTINGS,
        _plain,
    ),
    Rule(
        "anonymous-clients",
        (Severity.CRITICAL, Severity.WARNING),
        "Clients need no name",
        "Nobody can say who wrote, deleted or changed something, and no access rule can tell one from another.",
        {
            Flavour.AUTO: "offer SASL_SSL, or SSL with ssl.client.auth=required, and take the open listener out",
            Flavour.STRIMZI: f"set authentication (tls or scram-sha-512) {FOR_STRIMZI}",
            Flavour.BITNAMI: "set listeners.client.protocol: SASL_SSL in the chart's values",
        },
        SETTINGS,
        _anonymous,
    ),
    Rule(
        "no-authorizer",
        (Severity.WARNING,),
        "No access rules",
        "A client with a mistake in it may delete topics, lower their settings or reset the groups of others.",
        {
            Flavour.AUTO: "set authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer, "
            "super.users, and ACLs for every client",
            Flavour.STRIMZI: "set spec.kafka.authorization.type: simple of the Kafka resource, and ACLs in KafkaUsers",
        },
        SETTINGS | {Part.ACLS},
        _no_authorizer,
    ),
    Rule(
        "allowed-without-acl",
        (Severity.INFO,),
        "What has no access rule may be open to all",
        "If it is true, every new topic may be written, changed and deleted by everybody until somebody thinks of it.",
        {Flavour.AUTO: "take allow.everyone.if.no.acl.found out once every client has its ACLs; its default is false"},
        SETTINGS | {Part.ACLS},
        _open_by_default,
    ),
    Rule(
        "acl-for-everybody",
        (Severity.CRITICAL, Severity.WARNING),
        "Access rules for everybody",
        "They hold for every client there is and for each that comes, also for those nobody knows.",
        {
            Flavour.AUTO: "name the principals that need it, then kafka-acls.sh --remove this one",
            Flavour.STRIMZI: "give the clients KafkaUsers with ACLs of their own, then kafka-acls.sh --remove this one",
        },
        frozenset({Part.ACLS}),
        _for_everybody,
    ),
    Rule(
        "acl-for-everything",
        (Severity.INFO,),
        "Access rules for everything",
        "Such a client may break every topic by mistake; see that only tools and operators are among them.",
        {Flavour.AUTO: "limit it to its topics and groups, by prefix if there are many"},
        frozenset({Part.ACLS}),
        _for_everything,
    ),
)
