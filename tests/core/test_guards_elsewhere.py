"""Guards of clusters that are not on Kubernetes: ZooKeeper on machines of its own, and a provider that runs Kafka."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.experiment_worlds import QUORUM, around, cluster, given, instant, spec, world

from kafka_sentinel.core.cluster import EnsembleView, ProviderView, QuorumView
from kafka_sentinel.core.guards import evaluate
from kafka_sentinel.core.resolution import resolve
from kafka_sentinel.core.targets import Target, parse_target

ONE = Target(frozenset({1}))
SERVERS = ("zk-1:2181", "zk-2:2181", "zk-3:2181")
NO_KRAFT = QuorumView(leader=-1, epoch=-1, voters=(), caught_up_voters=())
DOMAIN = "orders.x1.c2.kafka.eu-west-1.amazonaws.com"
MSK = cluster(brokers={number: f"b-{number}.{DOMAIN}:9098" for number in (1, 2, 3)})


def denials(case, target=ONE):
    return [answer.guard for answer in evaluate(case, target) if not answer.allowed]


def answer_of(guard, case, target=ONE):
    return next(answer for answer in evaluate(case, target) if answer.guard == guard)


# --- ZooKeeper


def ensemble(serving=SERVERS, *, asked=999.0):
    return EnsembleView(SERVERS, frozenset(serving), None if asked is None else instant(asked))


def with_zookeeper(view=None, **changes):
    seen = world(quorum=NO_KRAFT, ensemble=view or ensemble(), **changes)
    return given(world=seen, spec=spec(fault="command", target=parse_target("zookeeper"), confirm=60.0))


def server(name="zk-1:2181"):
    return Target(frozenset(), servers=(name,))


def test_a_broker_is_hit_while_a_majority_of_the_servers_serves():
    assert denials(with_zookeeper()) == []
    assert denials(with_zookeeper(ensemble(SERVERS[:2]))) == []
    one_left = with_zookeeper(ensemble(SERVERS[:1]))
    assert denials(one_left) == ["quorum_without_targets"]
    assert answer_of("quorum_without_targets", one_left).reason == "1 of 3 ZooKeeper servers left, needs 2"


def test_a_server_is_hit_only_while_a_majority_is_left_without_it():
    assert denials(with_zookeeper(), server()) == []
    assert denials(with_zookeeper(ensemble(SERVERS[:2])), server()) == ["quorum_without_targets"]
    alone = EnsembleView(SERVERS[:1], frozenset(SERVERS[:1]), instant(999))
    assert denials(with_zookeeper(alone), server()) == ["quorum_without_targets"]


def test_of_five_servers_three_must_be_left():
    five = tuple(f"zk-{number}:2181" for number in range(1, 6))
    for serving, denied in ((five[:4], []), (five[:3], ["quorum_without_targets"])):
        assert denials(with_zookeeper(EnsembleView(five, frozenset(serving), instant(999))), server()) == denied


def test_a_server_that_does_not_serve_is_no_target():
    case = with_zookeeper(ensemble(SERVERS[1:]))
    assert denials(case, server()) == ["target_known"]
    assert answer_of("target_known", case, server()).reason == "not serving: zk-1:2181"


def test_a_server_of_which_nobody_says_how_it_is_is_no_target():
    assert answer_of("target_known", given(), server()).reason == "not serving: zk-1:2181"


def test_two_servers_at_a_time_are_too_many():
    both = Target(frozenset(), servers=SERVERS[:2])
    assert denials(with_zookeeper(), both) == ["target_size", "quorum_without_targets"]


@pytest.mark.parametrize("asked", [None, 1_000 - 15.1])
def test_servers_that_were_not_asked_lately_deny(asked):
    case = with_zookeeper(ensemble(asked=asked))
    assert denials(case) == ["fresh_views"]
    assert "ZooKeeper" in answer_of("fresh_views", case).reason


def test_without_a_kraft_quorum_and_without_servers_to_ask_nothing_is_hit():
    assert denials(given(world=world(quorum=NO_KRAFT))) == ["quorum_without_targets"]


def test_where_there_are_both_both_count():
    both = given(world=world(ensemble=ensemble(SERVERS[:1])))
    assert denials(both) == ["quorum_without_targets"]
    assert denials(given(world=world(ensemble=ensemble(SERVERS[:2])))) == []
    lagging = world(ensemble=ensemble(), quorum=replace(QUORUM, caught_up_voters=(1, 2)))
    assert denials(given(world=lagging)) == ["quorum_without_targets"]


def test_servers_beside_pods_are_judged_as_well():
    seen = around()
    case = given(world=world(quorum=NO_KRAFT, kubernetes=seen, ensemble=ensemble(SERVERS[:1])))
    assert "quorum_without_targets" in denials(case)


def test_the_server_that_is_meant_follows_from_the_run_and_none_is_without_a_list():
    seen = world(ensemble=ensemble())
    meant = spec(fault="command", target=parse_target("zookeeper"), confirm=60.0)
    chosen = {resolve(meant, f"kill@{run}", seen).servers for run in range(60)}
    assert chosen == {(name,) for name in SERVERS}
    assert resolve(meant, "kill@1", seen) == resolve(meant, "kill@1", seen)
    nobody = resolve(meant, "kill@1", world())
    assert (nobody.is_empty, nobody.reason) == (True, "no ZooKeeper server is configured (cluster.zookeeper)")


# --- a provider


def provider(**changes):
    hosts = {number: (f"b-{number}.{DOMAIN}",) for number in (1, 2, 3)}
    return replace(ProviderView("ACTIVE", hosts, instant(990)), **changes)


def on_msk(view=None, seen=MSK, **changes):
    return given(world=world(cluster=seen, provider=view or provider(), **changes))


def test_a_cluster_that_is_active_is_hit_with_and_without_a_quorum_to_be_seen():
    assert denials(on_msk()) == []
    assert denials(on_msk(quorum=NO_KRAFT)) == []
    assert answer_of("quorum_without_targets", on_msk(quorum=NO_KRAFT)).seen == "the provider's own"
    assert answer_of("quorum_without_targets", on_msk()).seen == "2 of 3 voters left, needs 2"
    assert denials(on_msk(quorum=replace(QUORUM, caught_up_voters=(1, 2)))) == ["quorum_without_targets"]
    assert denials(on_msk(quorum=None)) == ["fresh_views", "quorum_without_targets", "reassignment"]


@pytest.mark.parametrize("state", ["HEALING", "MAINTENANCE", "UPDATING", "REBOOTING_BROKER", "active", ""])
def test_any_other_state_denies_and_is_named(state):
    case = on_msk(provider(state=state))
    assert denials(case) == ["provider"]
    assert f"the cluster is {state or 'in no known state'}" in answer_of("provider", case).reason


def test_what_it_said_a_while_ago_or_never_or_after_now_denies():
    assert denials(on_msk(provider(asked=instant(1_000 - 90)))) == []
    assert denials(on_msk(provider(asked=instant(1_000)))) == []
    assert denials(on_msk(provider(asked=instant(1_000 - 90.1)))) == ["provider"]
    assert denials(on_msk(provider(asked=None))) == ["provider"]
    assert denials(on_msk(provider(asked=instant(1_001)))) == ["provider"]


def test_a_newest_answer_that_is_none_denies_whatever_was_known_before():
    case = on_msk(provider(problem="MSK refuses to describe the cluster: AccessDeniedException"))
    assert denials(case) == ["provider"]
    assert "AccessDenied" in answer_of("provider", case).reason
    assert answer_of("provider", on_msk(provider(problem="timeout", asked=None))).reason == "timeout"


@pytest.mark.parametrize("prefix", ["b-1-public", "b-1.scram", "B-1", "b-1.vpce"])
def test_other_listeners_of_the_same_cluster_are_known_by_their_domain(prefix):
    seen = cluster(brokers={**MSK.brokers, 1: f"{prefix}.{DOMAIN}:9198"})
    assert denials(on_msk(seen=seen)) == []


@pytest.mark.parametrize(
    "host", ["b-1.payments.x1.c2.kafka.eu-west-1.amazonaws.com", f"b-1.not{DOMAIN}", "10.0.0.1", "kafka-1"]
)
def test_a_broker_of_another_cluster_with_the_same_id_is_not_hit(host):
    case = on_msk(seen=cluster(brokers={**MSK.brokers, 1: f"{host}:9098"}))
    assert denials(case) == ["provider"]
    assert answer_of("provider", case).reason == f"broker 1 is {host}, the provider's is b-1.{DOMAIN}"


def test_a_broker_the_provider_does_not_know_is_not_hit():
    assert denials(on_msk(provider(hosts={}))) == ["provider"]
    assert denials(on_msk(provider(hosts={1: ("localhost",)}))) == ["provider"]
    both = answer_of("provider", on_msk(provider()), Target(frozenset({8, 7})))
    said = [f"broker {number} is nowhere, the provider's is not known" for number in (7, 8)]
    assert both.reason == ", ".join(said)


def test_a_broker_of_the_very_name_the_provider_says_is_its_own_without_any_domain():
    seen = cluster(brokers={1: "Kafka-1:9092", 2: "kafka-2:9092", 3: "kafka-3:9092"})
    assert denials(on_msk(provider(hosts={1: ("kafka-1",)}), seen=seen)) == []


def test_where_no_provider_runs_it_there_is_nothing_to_ask():
    assert answer_of("provider", given()).seen == "run by nobody else"
