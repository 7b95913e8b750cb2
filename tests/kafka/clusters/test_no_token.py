"""A token endpoint that is down: Sentinel starts all the same, says so, and goes on once there are tokens again."""

from __future__ import annotations

import pytest
from tests.kafka.clusters.cluster import SecuredCluster
from tests.kafka.clusters.listeners import Security
from tests.kafka.clusters.run import MANY, SECONDS, config_of, go_on, grants_of, judge, topic_of
from tests.kafka.sentinel import Sentinel, trouble, wait_for

WAY = Security.OAUTHBEARER


@pytest.mark.full
def test_started_while_the_token_endpoint_is_down_it_says_so_and_goes_on_with_it(kafka_ready):
    with SecuredCluster() as cluster, cluster.allowed(cluster.keys.who(WAY), grants_of(WAY)):
        cluster.endpoint.works = False
        with Sentinel(config_of(cluster, WAY)) as sentinel:
            wait_for(lambda: trouble(sentinel).get("reason") == "no-token", SECONDS, lambda: trouble(sentinel))
            assert "fails: HTTP status 503" in trouble(sentinel)["sentence"]
            assert cluster.secrets.password not in str(sentinel.status)
            cluster.endpoint.works = True
            sentinel.wait_verified(MANY, SECONDS)
            wait_for(lambda: not trouble(sentinel), SECONDS, lambda: trouble(sentinel))
            cluster.endpoint.works = False
            go_on({WAY: sentinel})  # who is in stays in
            cluster.endpoint.works = True
            judge(cluster, topic_of(WAY), sentinel)
