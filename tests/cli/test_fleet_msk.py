"""The fleet of Amazon MSK, with boto3 itself over HTTP: what is asked, how often, and what becomes of each refusal."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from tests.cli.msk_world import ARN, DOMAIN, OPERATION, Msk, wait_until

from kafka_sentinel.adapters import msk_api
from kafka_sentinel.adapters.fleet_msk import MskFleet
from kafka_sentinel.adapters.msk_api import MskApi, MskError
from kafka_sentinel.core.commands import Announce, Heal, Inject
from kafka_sentinel.core.events import (
    FaultCommanded,
    FaultFailed,
    FaultHealed,
    FaultInjected,
    ProviderObserved,
)
from kafka_sentinel.core.types import Instant


@pytest.fixture
def msk(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    one = Msk()
    yield one
    one.close()


class Fleet:
    def __init__(self, msk: Msk, *, look_every: float = 0.05) -> None:
        self.told, self.died = [], []
        self.fleet = MskFleet(
            MskApi(ARN, "eu-west-1", msk.url),
            post=self.told.extend,
            now=lambda: Instant(time.monotonic(), time.time()),
            on_death=lambda *what: self.died.append(what),
            look_every=look_every,
        )
        self.fleet.start()

    def of(self, kind):
        return [event for event in list(self.told) if isinstance(event, kind)]

    def wait(self, kind, count=1):
        wait_until(lambda: len(self.of(kind)) >= count or self.died, lambda: self.told)
        assert self.died == []
        return self.of(kind)[count - 1]

    def view(self, predicate):
        """Wait until the cluster is said to stand so, and return the view."""
        wait_until(lambda: any(predicate(event.view) for event in self.of(ProviderObserved)), lambda: self.told)
        return next(event.view for event in self.of(ProviderObserved) if predicate(event.view))

    def reboot(self, run="reboot-1", targets=(2,), fault="msk-reboot"):
        self.fleet.submit(Inject(run, fault, targets, 1800.0, experiment="reboot", confirm=900.0))


@pytest.fixture
def make():
    made = []

    def one(*args, **options):
        made.append(Fleet(*args, **options))
        return made[-1]

    yield one
    for each in made:
        assert each.fleet.stop(30)
        assert each.died == []


# --- how the cluster stands


def test_the_guards_are_told_again_and_again_how_it_stands_and_where_its_brokers_are(msk, make):
    fleet = make(msk)
    view = fleet.view(lambda view: view.state == "ACTIVE")
    assert view.hosts == {number: (f"b-{number}.{DOMAIN}",) for number in (1, 2, 3)}
    assert (view.problem, view.asked.mono <= fleet.wait(ProviderObserved).at.mono) == ("", True)
    msk.state = "HEALING"
    fleet.view(lambda view: view.state == "HEALING")
    assert {"ClusterArn": ARN, "NextToken": "2"} in msk.of("ListNodes"), "all pages were read"


def test_an_answer_that_fails_keeps_what_was_known_with_its_age_and_says_why(msk, make):
    fleet = make(msk)
    fleet.view(lambda view: view.state == "ACTIVE")
    msk.refuse["DescribeClusterV2"] = ("AccessDeniedException", "not authorized to perform: kafka:DescribeClusterV2")
    view = fleet.view(lambda view: view.problem)
    assert view.problem == (
        "MSK was asked to describe the cluster: the role Sentinel runs with may not (AccessDeniedException): "
        "not authorized to perform: kafka:DescribeClusterV2"
    )
    assert view.state == "ACTIVE"
    asked = view.asked
    fleet.wait(ProviderObserved, len(fleet.of(ProviderObserved)) + 2)
    assert fleet.of(ProviderObserved)[-1].view.asked == asked
    del msk.refuse["DescribeClusterV2"]
    fleet.view(lambda view: not view.problem and view.asked.mono > asked.mono)


def test_nobody_listening_is_a_sentence_without_the_keys(msk):
    api = MskApi(ARN, "eu-west-1", "http://127.0.0.1:1")
    with pytest.raises(MskError, match="MSK could not be asked to describe the cluster: Could not connect") as caught:
        api.cluster()
    assert not caught.value.may_be_done
    assert "hunter2" not in str(caught.value)


def test_without_keys_it_is_said_so(msk, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(MskError, match="Unable to locate credentials") as caught:
        MskApi(ARN, "eu-west-1", msk.url).reboot(2)
    assert not caught.value.may_be_done
    assert msk.asked == []


# --- the reboot


def test_one_broker_is_rebooted_once_and_it_is_over_when_msk_says_so(msk, make):
    fleet = make(msk)
    fleet.reboot()
    told = fleet.wait(FaultCommanded)
    assert (told.experiment_run, told.problem) == ("reboot-1", "")
    assert msk.of("RebootBroker") == [{"ClusterArn": ARN, "BrokerIds": ["2"]}]
    assert fleet.of(FaultInjected) == []
    wait_until(lambda: len(msk.of("DescribeClusterOperation")) >= 3, "the operation is followed")
    assert msk.of("DescribeClusterOperation")[0] == {"ClusterOperationArn": OPERATION}
    assert fleet.of(FaultHealed) == []
    msk.operation, msk.state = "UPDATE_COMPLETE", "ACTIVE"
    assert fleet.wait(FaultHealed).experiment_run == "reboot-1"
    fleet.reboot()
    assert fleet.wait(FaultFailed).reason == "reboot-1 was injected before"
    assert len(msk.of("RebootBroker")) == 1


@pytest.mark.parametrize("state", ["HEALING", "MAINTENANCE", "UPDATING", "REBOOTING_BROKER"])
def test_a_cluster_that_is_not_active_is_asked_for_nothing(msk, make, state):
    fleet = make(msk, look_every=600.0)
    fleet.view(lambda view: view.state == "ACTIVE")
    msk.state = state  # since the guards were told
    fleet.reboot()
    assert fleet.wait(FaultFailed).reason == f"MSK says that the cluster is {state}, and only ACTIVE will do"
    assert msk.of("RebootBroker") == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("BadRequestException", "the cluster does not allow it now (BadRequestException): no"),
        ("TooManyRequestsException", "AWS answers fewer requests than it gets (throttled) (TooManyRequestsException)"),
        ("AccessDeniedException", "the role Sentinel runs with may not (AccessDeniedException): no"),
        ("ForbiddenException", "the role Sentinel runs with may not (ForbiddenException): no"),
        ("NotFoundException", "there is no such cluster (NotFoundException): no"),
    ],
)
def test_a_refusal_has_failed_for_certain_and_is_not_repeated(msk, make, code, words):
    msk.refuse["RebootBroker"] = (code, "no")
    fleet = make(msk)
    fleet.reboot()
    assert fleet.wait(FaultFailed).reason.startswith(f"MSK was asked to reboot broker 2: {words}")
    fleet.wait(FaultHealed)
    time.sleep(0.3)
    assert len(msk.of("RebootBroker")) == 1
    assert fleet.of(FaultCommanded) == []


@pytest.mark.parametrize("code", ["ServiceUnavailableException", "InternalServerErrorException"])
def test_where_nobody_knows_whether_it_was_taken_kafka_has_to_show_it_and_it_is_not_repeated(msk, make, code):
    msk.refuse["RebootBroker"] = (code, "try later")
    fleet = make(msk)
    fleet.reboot()
    problem = fleet.wait(FaultCommanded).problem
    assert problem.startswith("MSK was asked to reboot broker 2: ")
    assert problem.endswith(f"({code}): try later")
    time.sleep(0.3)
    assert fleet.of(FaultHealed) == [], "it was never seen to leave ACTIVE, so it is not over either"
    msk.state = "REBOOTING_BROKER"
    fleet.view(lambda view: view.state == "REBOOTING_BROKER")
    msk.state = "ACTIVE"
    fleet.wait(FaultHealed)
    assert len(msk.of("RebootBroker")) == 1


def test_an_answer_that_never_comes_is_waited_for_once(msk, make, monkeypatch):
    monkeypatch.setattr(msk_api, "READ_TIMEOUT", 0.5)
    msk.hang.add("RebootBroker")
    fleet = make(msk)
    fleet.reboot()
    assert "Read timeout on endpoint" in fleet.wait(FaultCommanded).problem
    time.sleep(0.3)
    assert len(msk.of("RebootBroker")) == 1


def test_a_reboot_that_fails_later_is_told_in_msks_words(msk, make):
    fleet = make(msk)
    fleet.reboot()
    fleet.wait(FaultCommanded)
    msk.operation, msk.error = "UPDATE_FAILED", "the broker did not come back"
    assert fleet.wait(FaultFailed).reason == "MSK says that the reboot failed: the broker did not come back"
    fleet.wait(FaultHealed)


def test_where_the_operation_may_not_be_asked_for_the_state_of_the_cluster_has_to_do(msk, make):
    msk.refuse["DescribeClusterOperation"] = ("AccessDeniedException", "no")
    fleet = make(msk)
    fleet.reboot()
    fleet.view(lambda view: view.state == "REBOOTING_BROKER")
    wait_until(lambda: msk.of("DescribeClusterOperation"), "it was asked for")
    time.sleep(0.2)
    assert fleet.of(FaultHealed) == []
    assert len(msk.of("DescribeClusterOperation")) == 1
    msk.state = "ACTIVE"
    fleet.wait(FaultHealed)


def test_an_operation_that_cannot_be_asked_for_just_now_is_asked_for_again(msk, make):
    msk.refuse["DescribeClusterOperation"] = ("InternalServerErrorException", "no")
    fleet = make(msk)
    fleet.reboot()
    wait_until(lambda: len(msk.of("DescribeClusterOperation")) >= 2, "it was asked for again")
    msk.operation = "UPDATE_COMPLETE"
    del msk.refuse["DescribeClusterOperation"]
    fleet.wait(FaultHealed)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"fault": "command"}, 'the fault "command" is unknown to a fleet of MSK; it can do msk-reboot'),
        ({"targets": (1, 2)}, "exactly one broker is rebooted at a time"),
        ({"targets": ()}, "exactly one broker is rebooted at a time"),
        ({"targets": (7,)}, "MSK knows of no broker 7"),
    ],
)
def test_what_is_not_one_broker_of_this_cluster_is_refused(msk, make, given, reason):
    fleet = make(msk)
    fleet.reboot(**given)
    assert fleet.wait(FaultFailed).reason == reason
    assert msk.of("RebootBroker") == []


def test_no_notice_is_given_of_a_reboot(msk, make):
    fleet = make(msk)
    fleet.fleet.submit(Announce("reboot-1", "msk-reboot", (2,), 5.0))
    assert "no notice can be given" in fleet.wait(FaultFailed).reason


def test_of_an_earlier_life_nothing_is_rebooted_again(msk, make):
    fleet = make(msk)
    fleet.fleet.submit(Heal("reboot-1", (2,), "msk-reboot", experiment="reboot"))
    fleet.wait(FaultHealed)
    fleet.reboot()
    assert fleet.wait(FaultFailed).reason == "reboot-1 was injected before"
    assert msk.of("RebootBroker") == []


# --- the extra


RUN = """
import sys
sys.modules["boto3"] = sys.modules["boto3.session"] = None  # as where it is not installed
sys.argv = ["kafka-sentinel", "run", "--config", sys.argv[1]]
from kafka_sentinel.cli import main
main()
"""


def test_without_boto3_the_daemon_says_which_extra_is_missing(tmp_path):
    file = tmp_path / "sentinel.yaml"
    file.write_text(
        f"kafka: {{bootstrap_servers: 127.0.0.1:1}}\nexperiments: {{fleet: msk, msk: {{cluster_arn: {ARN}}}}}\n"
        "http: {host: 127.0.0.1, port: 0}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(file)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "kafka-sentinel: experiments.fleet msk needs boto3, which is not installed: install kafka-sentinel[msk]"
    )
    assert "Traceback" not in done.stderr


def test_boto3_is_not_loaded_by_those_who_do_not_use_it():
    code = "import sys, kafka_sentinel.fleet_wiring, kafka_sentinel.cli.commands; sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0
