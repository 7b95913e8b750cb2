"""What librdkafka's admin client does when brokers are slower than it waits: it may end the whole process.

So it does where a coordinator is asked (its issue 4605), by a failed assertion that nobody can catch. Sentinel asks
coordinators by kafka-python (`adapters/check_groups.py`); what it asks librdkafka must not have that flaw.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

ROUNDS = 10
PROGRAM = f"""
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

slow = {{"test.mock.num.brokers": 3, "test.mock.broker.rtt": 400, "socket.timeout.ms": 300, "log_level": 0}}
admin = AdminClient({{"bootstrap.servers": "none", **slow}})
late = 0
for round in range({ROUNDS}):
    seconds = (0.1, 0.3, 0.5, 0.9, 1.3)[round % 5]
    for answer in {{request}}:
        try:
            answer.result(10)
        except Exception:
            late += 1
assert late > 0, "nothing was late"
"""
KIND = "ConfigResource.Type"
OURS = {
    "describe_cluster": "[admin.describe_cluster(request_timeout=seconds)]",
    "describe_topics": 'admin.describe_topics(TopicCollection(["t"]), request_timeout=seconds).values()',
    "describe_configs of a topic": f'admin.describe_configs([ConfigResource({KIND}.TOPIC, "t")], '
    "request_timeout=seconds).values()",
    "describe_configs of brokers": f'admin.describe_configs([ConfigResource({KIND}.BROKER, "1"), '
    f'ConfigResource({KIND}.BROKER, "2")], request_timeout=seconds).values()',
    "create_topics": 'admin.create_topics([NewTopic("t", 1, 1)], request_timeout=seconds).values()',
    "create_partitions": 'admin.create_partitions([NewPartitions("t", 4)], request_timeout=seconds).values()',
}
OF_A_COORDINATOR = 'admin.describe_consumer_groups(["g", "h"], request_timeout=seconds).values()'


@pytest.fixture(scope="module")
def ended() -> dict[str, int]:
    """Return request → how a process ended that made it again and again. They run side by side: all they do is wait."""
    requests = {**OURS, "of a coordinator": OF_A_COORDINATOR}
    begun = {name: subprocess.Popen([sys.executable, "-c", program(code)]) for name, code in requests.items()}
    return {name: process.wait(120) for name, process in begun.items()}


def program(request: str) -> str:
    return PROGRAM.replace("{request}", request)


@pytest.mark.parametrize("request_", OURS)
def test_no_request_of_ours_ends_the_process_when_it_is_answered_too_late(ended, request_):
    assert ended[request_] == 0


def test_one_to_a_coordinator_does(ended):
    """If this fails, librdkafka has been mended, and `adapters/check_groups.py` could do without kafka-python."""
    assert ended["of a coordinator"] == -signal.SIGABRT
