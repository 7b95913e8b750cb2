"""The background recheck covers everything retained, and lets every partition have its turn."""

from kafka_sentinel.core.ledger import PartitionLedger
from kafka_sentinel.core.sweep import Sweep
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

A, B = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ALL, 1)


def ledgers(**positions):
    made = {}
    for partition, position in zip((A, B), positions.values(), strict=False):
        made[partition] = PartitionLedger(partition, instance=1, run=1)
        made[partition].position = position
    return made


def turns(sweep, of, count, *, grows=0):
    """Take turns and answer each at once. `grows`: records that the verifier reads of each partition in between."""
    taken = []
    for number in range(count):
        stretch = sweep.stretch(of, Instant(float(number), float(number)))
        if stretch is not None:
            taken.append(stretch)
            sweep.reached(stretch[0], stretch[2])
        for ledger in of.values():
            ledger.position += grows
    return taken


def test_a_small_partition_does_not_keep_a_large_one_waiting():
    taken = turns(Sweep(chunk=100, interval=1.0), ledgers(a=50, b=300), 6)
    assert [stretch for stretch in taken if stretch[0] == B] == [(B, 0, 100), (B, 100, 200), (B, 200, 300)]


def test_it_starts_over_at_the_log_start():
    of = ledgers(a=150)
    of[A].log_start = 20
    assert turns(Sweep(chunk=100, interval=1.0), of, 3) == [(A, 20, 120), (A, 120, 150), (A, 20, 120)]


def test_it_starts_over_although_the_log_grows_between_any_two_turns():
    taken = turns(Sweep(chunk=100, interval=1.0), ledgers(a=150), 5, grows=10)
    assert taken == [(A, 0, 100), (A, 100, 160), (A, 0, 100), (A, 100, 180), (A, 0, 100)]


def test_it_waits_for_its_interval_and_for_something_to_read():
    sweep = Sweep(chunk=100, interval=10.0)
    of = ledgers(a=150)
    assert sweep.stretch(of, Instant(0.0, 0.0)) is not None
    assert sweep.stretch(of, Instant(9.9, 9.9)) is None
    assert sweep.stretch(of, Instant(10.0, 10.0)) is not None
    for unread in (0, None):
        assert sweep.stretch(ledgers(a=unread), Instant(20.0, 20.0)) is None
        assert Sweep(chunk=100, interval=10.0).stretch(ledgers(a=unread), Instant(20.0, 20.0)) is None


def test_what_was_read_of_a_deleted_topic_is_forgotten():
    sweep = Sweep(chunk=100, interval=1.0)
    of = ledgers(a=150)
    turns(sweep, of, 1)
    sweep.forget(A)
    assert sweep.stretch(of, Instant(5.0, 5.0)) == (A, 0, 100)


def test_while_there_is_no_partition_no_turn_is_used_up():
    sweep = Sweep(chunk=100, interval=10.0)
    assert sweep.stretch({}, Instant(0.0, 0.0)) is None
    assert sweep.stretch(ledgers(a=150), Instant(1.0, 1.0)) == (A, 0, 100)


def test_a_pass_over_a_topic_made_anew_ends_where_that_ended():
    sweep = Sweep(chunk=100, interval=1.0)
    turns(sweep, ledgers(a=150), 1)
    sweep.forget(A)
    sweep.forget(B)  # of which nothing was read yet
    anew = ledgers(a=50)
    assert sweep.stretch(anew, Instant(5.0, 5.0)) == (A, 0, 50)
    sweep.reached(A, 50)
    anew[A].position = 120
    assert sweep.stretch(anew, Instant(6.0, 6.0)) == (A, 0, 100)
