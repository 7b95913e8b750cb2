"""Flaws seen in other monitors that need real brokers to be shown not to be ours (docs/verification.md)."""

from __future__ import annotations

from tests.kafka.observer import groups_of
from tests.kafka.sentinel import Sentinel, configuration, wait_for


def test_starting_again_and_again_leaves_one_group_behind(lab_combined, make_topic):
    """The verifier and the rechecks name a group, the client wants one, and never join it."""
    before = groups_of(lab_combined.bootstrap_servers)
    topic = make_topic(lab_combined)
    group = f"{topic}-group"
    for _ in range(2):
        config = configuration(
            lab_combined.bootstrap_servers,
            topic,
            probe={"manage_topic": False, "acks_one": {"enabled": False}},
            group_consumer={"group_id": group},
        )
        with Sentinel(config) as sentinel:
            wait_for(lambda it=sentinel: it.engine.group.commits > 0, 60, "a commit of the group")
            wait_for(lambda it=sentinel: it.engine.truth.last_recheck is not None, 60, "a recheck")
    assert groups_of(lab_combined.bootstrap_servers) - before == {group}
