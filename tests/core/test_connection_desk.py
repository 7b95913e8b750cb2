"""When the daemon looks why Kafka cannot be used, what it shows meanwhile, and what ends it."""

import pytest
from tests.core.engine_world import INTERVAL, Sentinel, view

from kafka_sentinel.core.cluster import QuorumView
from kafka_sentinel.core.commands import Diagnose
from kafka_sentinel.core.connection import Reason, Trouble
from kafka_sentinel.core.connection_desk import (
    FIRST_AGAIN,
    LAST_AGAIN,
    QUIET,
    REFUSED,
    UNREACHABLE,
    ConnectionDesk,
)
from kafka_sentinel.core.events import (
    AdapterError,
    CertificatesRead,
    ClusterObserved,
    ClusterUnreachable,
    ConnectionExamined,
    QuorumObserved,
    QuorumUnreachable,
    RecordsAcked,
    RecordsRead,
)
from kafka_sentinel.core.types import Acks, Instant, ProbePartition, Sighting, SightingKind, Span

PASSWORD = Trouble(Reason.SIGN_IN, "the brokers refuse user anna (after 31 ms)")
ACL = Trouble(Reason.ACL, "topic t: anna may not Write")
SAID = "Kafka cannot be used as it should"
OVER = "nothing is wrong with the connection to Kafka any more"
HOUR = 3_600.0


class Looked(Sentinel):
    """`finds`: what a look that is asked for finds, a second later."""

    def __init__(self, **given) -> None:
        self.finds: Trouble | None = None
        self.looks: list[float] = []
        super().__init__(**given)

    def spend(self, seconds, *, answers=True, works=True, looks=True):
        for _ in range(round(seconds / INTERVAL)):
            known = len(self.commands)
            if answers:
                self.sees(view(partitions=len(self.partitions)))
            else:
                self.sees_nothing()
            if answers and works:
                self.live(INTERVAL)
            else:
                self.wait(INTERVAL)
            if Diagnose() in self.commands[known:]:
                self.looks.append(self.mono)
                if looks:
                    self.wait(1.0)
                    self.step(ConnectionExamined(self.now(), self.finds))

    @property
    def shown(self):
        trouble = self.status["kafka"]["trouble"]
        return trouble and (trouble["reason"], trouble["sentence"])

    def lines(self, event):
        return [line for line in self.logs if line.event == event]


def test_nobody_looks_while_everything_works():
    sentinel = Looked()
    sentinel.spend(120)
    assert (sentinel.looks, sentinel.shown, sentinel.lines(SAID)) == ([], None, [])


def test_a_kafka_that_does_not_answer_is_looked_into_and_its_reason_is_in_the_status():
    sentinel = Looked(partitions=0)
    sentinel.finds = PASSWORD
    sentinel.spend(UNREACHABLE + 3, answers=False)
    assert len(sentinel.looks) == 1
    assert sentinel.shown == ("sign-in-refused", PASSWORD.sentence)
    assert sentinel.status["kafka"]["trouble"]["since"] == pytest.approx(sentinel.wall, abs=5)


def test_a_moment_of_silence_is_not_looked_into():
    sentinel = Looked()
    sentinel.spend(1, answers=False)
    sentinel.spend(5)
    assert sentinel.looks == []


def test_looks_become_rarer_and_never_end_while_the_trouble_lasts():
    sentinel = Looked(partitions=0)
    sentinel.finds = PASSWORD
    sentinel.spend(600, answers=False)
    gaps = [later - earlier for earlier, later in zip(sentinel.looks, sentinel.looks[1:], strict=False)]
    assert gaps[0] >= FIRST_AGAIN
    assert gaps == sorted(gaps)
    assert LAST_AGAIN <= gaps[-1] <= LAST_AGAIN + 3


def test_a_look_that_never_ends_is_not_waited_for_for_ever():
    sentinel = Looked(partitions=0)
    sentinel.spend(30, answers=False, looks=False)
    assert len(sentinel.looks) == 1
    sentinel.spend(60, answers=False, looks=False)
    assert len(sentinel.looks) == 2


def test_the_log_says_it_once_and_that_it_is_over():
    sentinel = Looked()
    sentinel.finds = PASSWORD
    sentinel.spend(20, answers=False)
    sentinel.finds = PASSWORD._replace(sentence=PASSWORD.sentence.replace("31", "77"))
    sentinel.spend(200, answers=False)
    (line,) = sentinel.lines(SAID)
    assert line.fields == {"reason": "sign-in-refused", "why": PASSWORD.sentence}
    sentinel.spend(5)
    assert len(sentinel.lines(OVER)) == 1
    assert sentinel.shown is None


def test_another_reason_is_said_anew():
    sentinel = Looked(partitions=0)
    sentinel.finds = PASSWORD
    sentinel.spend(20, answers=False)
    sentinel.finds = Trouble(Reason.EXPIRED, "expired")
    sentinel.spend(60, answers=False)
    assert [line.fields["reason"] for line in sentinel.lines(SAID)] == ["sign-in-refused", "certificate-expired"]


def test_an_answer_ends_only_what_keeps_everybody_from_answering():
    sentinel = Looked()
    sentinel.finds = ACL
    sentinel.spend(QUIET + 3 * INTERVAL + 2, works=False)
    assert sentinel.shown == ("acl-missing", ACL.sentence)
    sentinel.spend(3, works=False)
    assert sentinel.shown == ("acl-missing", ACL.sentence)
    sentinel.spend(5)
    assert sentinel.shown is None


def test_a_kafka_that_answers_but_takes_nothing_is_looked_into():
    sentinel = Looked(partitions=0)
    sentinel.finds = Trouble(Reason.ADVERTISED, "broker 1 advertises a:1")
    sentinel.spend(QUIET - 1, works=False)
    assert sentinel.looks == []
    sentinel.spend(6, works=False)
    assert sentinel.shown == ("advertised-address", "broker 1 advertises a:1")


@pytest.mark.parametrize("code", ["TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"])
def test_a_right_that_is_refused_is_looked_into_although_records_flow(code):
    sentinel = Looked()
    sentinel.finds = ACL
    sentinel.spend(5)
    sentinel.step(AdapterError(sentinel.now(), "group", code, "denied"))
    sentinel.spend(5)
    assert sentinel.shown == ("acl-missing", ACL.sentence)
    sentinel.spend(40)
    assert sentinel.shown is None


def test_a_quorum_that_may_not_be_asked_is_looked_into():
    sentinel = Looked()
    sentinel.spend(5)
    reason = "ClusterAuthorizationFailedError: [Error 31]"
    sentinel.step(QuorumUnreachable(sentinel.now(), sentinel.now(), reason))
    sentinel.spend(3)
    assert len(sentinel.looks) == 1


def test_other_errors_are_not_looked_into():
    sentinel = Looked()
    sentinel.spend(5)
    sentinel.step(AdapterError(sentinel.now(), "admin", "_TRANSPORT", "disconnected"))
    sentinel.step(QuorumUnreachable(sentinel.now(), sentinel.now(), "KafkaTimeoutError"))
    sentinel.spend(20)
    assert sentinel.looks == []


@pytest.mark.parametrize(("off", "shown"), [(HOUR, True), (-HOUR, True), (60.0, False), (0.0, False), (None, False)])
def test_a_clock_that_is_off_is_shown_while_everything_works(off, shown):
    sentinel = Looked()
    sentinel.spend(5)
    theirs = None if off is None else sentinel.wall - off
    quorum = QuorumView(1, 1, (1, 2, 3), (1, 2, 3), leader_time=theirs)
    sentinel.step(QuorumObserved(sentinel.now(), sentinel.now(), quorum))
    assert (sentinel.shown is not None) is shown
    if shown:
        assert sentinel.shown[0] == "clock"
        agreeing = QuorumView(1, 1, (1, 2, 3), (1, 2, 3), leader_time=sentinel.wall)
        sentinel.step(QuorumObserved(sentinel.now(), sentinel.now(), agreeing))
        assert sentinel.shown is None


def test_when_certificates_expire_is_in_the_status():
    sentinel = Looked()
    assert sentinel.status["kafka"]["certificates"] == {}
    sentinel.step(CertificatesRead(sentinel.now(), {"ca_file": 2e9}))
    assert sentinel.status["kafka"]["certificates"] == {"ca_file": 2e9}


# --- the desk by itself


def now(mono):
    return Instant(mono, 1_000_000.0 + mono)


def examined(mono, trouble=None):
    return ConnectionExamined(now(mono), trouble)


def quorum(mono, off):
    """An answer of a controller whose clock is that far behind ours."""
    there = QuorumView(1, 1, (1, 2, 3), (1, 2, 3), leader_time=now(mono).wall - off)
    return QuorumObserved(now(mono), now(mono), there)


def read(mono, *, records=True):
    sightings = (Sighting(SightingKind.FOREIGN, 0, 1, 0),) if records else ()
    return RecordsRead(now(mono), ProbePartition(Acks.ALL, 0), 0, 1, sightings)


def acked(mono):
    return RecordsAcked(now(mono), ProbePartition(Acks.ALL, 0), 1, (Span(0, 1, 0),))


def looks(desk, *monos, down=False):
    """Return at which of these seconds it asks for a look."""
    return [mono for mono in monos if Diagnose() in desk.tick(now(mono), down=down)]


def test_quiet_is_so_long_without_a_record_written_or_read_as_the_probes_are_slow():
    assert looks(ConnectionDesk(now(0), 10.0), 39.9, 40.0) == [40.0]
    for one, other in ((read, acked), (acked, read)):
        desk = ConnectionDesk(now(0), 10.0)
        desk.take(one(30.0))
        assert looks(desk, 40.0) == [40.0]
        desk.take(other(41.0))
        desk.take(examined(41.0))
        assert looks(desk, 42.0, 69.9, 70.0) == [70.0]


def test_to_read_nothing_is_not_to_read():
    desk = ConnectionDesk(now(0), 10.0)
    desk.take(acked(30.0))
    desk.take(read(30.0, records=False))
    assert looks(desk, 40.0) == [40.0]


def test_a_cluster_that_is_gone_is_looked_into_after_two_seconds():
    desk = ConnectionDesk(now(0), 10.0)
    for mono in (1.0, 2.5):
        desk.take(ClusterUnreachable(now(mono), now(mono), "timed out"))
    assert looks(desk, 1.0 + UNREACHABLE - 0.1, 1.0 + UNREACHABLE) == [1.0 + UNREACHABLE]


def test_a_partition_that_is_down_for_long_is_looked_into_although_others_work():
    desk = ConnectionDesk(now(0), 10.0)

    def working(*monos, down):
        for mono in monos:
            desk.take(read(mono))
            desk.take(acked(mono))
        return looks(desk, *monos, down=down)

    assert working(0.0, 20.0, 39.9, down=True) == []
    assert working(39.95, down=False) == []
    assert working(40.0, 79.9, 80.0, down=True) == [80.0]


def test_a_right_that_was_refused_is_taken_to_be_missing_for_half_a_minute():
    desk = ConnectionDesk(now(0), 60.0)
    desk.refused("TopicAuthorizationFailedError", now(5.0))
    assert looks(desk, 5.0 + REFUSED) == []
    desk.refused("TOPIC_AUTHORIZATION_FAILED", now(50.0))
    assert looks(desk, 50.0 + REFUSED - 0.1) == [50.0 + REFUSED - 0.1]


def test_looks_are_five_seconds_apart_and_then_twice_as_long_each_time_up_to_a_minute():
    desk, found = ConnectionDesk(now(0), 0.0), []
    for mono in range(10, 300):
        if looks(desk, float(mono)):
            found.append(mono)
            desk.take(examined(float(mono), PASSWORD))
    assert found == [10, 15, 25, 45, 85, 145, 205, 265]
    for each in (read, acked):
        desk.take(each(300.0))
    assert looks(desk, 301.0, 310.0) == [310.0]
    desk.take(examined(310.0))
    assert looks(desk, 314.9, 315.0) == [315.0]


def test_a_look_is_waited_for_for_a_minute():
    assert looks(ConnectionDesk(now(0), 0.0), 10.0, 70.0, 70.1) == [10.0, 70.1]


@pytest.mark.parametrize(("trouble", "over"), [(PASSWORD, True), (ACL, False)])
def test_an_answer_proves_at_once_that_somebody_answers(trouble, over):
    desk = ConnectionDesk(now(0), 0.0)
    [line] = desk.take(examined(1.0, trouble))
    assert (line.event, line.fields) == (SAID, {"reason": trouble.reason, "why": trouble.sentence})
    told = desk.take(ClusterObserved(now(2.0), now(2.0), view()))
    assert [one.event for one in told] == [OVER] * over
    shown = {"reason": trouble.reason.value, "sentence": trouble.sentence, "since": now(1.0).wall}
    assert desk.status() == {"trouble": None if over else shown, "certificates": {}}


@pytest.mark.parametrize(("off", "wrong"), [(299.9, False), (300.0, True), (-300.0, True)])
def test_a_clock_is_wrong_from_five_minutes_on(off, wrong):
    assert bool(ConnectionDesk(now(0), 0.0).take(quorum(1.0, off))) is wrong
