"""Which re-reads prove anything, and what they prove of a record under suspicion."""

from __future__ import annotations

import pytest
from tests.core.ledger_world import CORRUPTED, FOREIGN, PARTITION, US, Entry, World, mine

from kafka_sentinel.core.account import Account, State
from kafka_sentinel.core.events import RecheckDone
from kafka_sentinel.core.logview import Answer
from kafka_sentinel.core.types import Fence, Instant, Sighting, SightingKind
from kafka_sentinel.core.verdicts import Validity, _just_above, _lower_bound, stands_at, validity

RECORD = SightingKind.RECORD
FENCE = Fence(1, 40, 140)


def done(*sightings: Sighting, start=100, position=141, log_start=0, topic_id="a") -> RecheckDone:
    return RecheckDone(Instant(1, 1), 1, PARTITION, start, position, log_start, topic_id, sightings)


def judged(answer: RecheckDone, **changes) -> Validity:
    asked = {"start": 100, "end": 141, "fence": FENCE, "topic_id": "a", "ids_known": True}
    return validity(answer, **(asked | changes))


GOOD = Sighting(RECORD, 100, 41, 3, US, 1, 0)


def test_a_re_read_of_the_same_topic_through_the_fence_is_valid():
    assert judged(done(GOOD)) is Validity.VALID


@pytest.mark.parametrize(
    ("answer", "changes", "expected"),
    [
        (done(GOOD, topic_id=None), {}, Validity.NO_TOPIC_ID),
        (done(GOOD), {"topic_id": None}, Validity.NO_TOPIC_ID),
        (done(GOOD, topic_id="b"), {}, Validity.OTHER_TOPIC),
        (done(GOOD, topic_id=None), {"topic_id": None, "ids_known": False}, Validity.VALID),
        (done(GOOD, topic_id=None), {"ids_known": False}, Validity.VALID),  # the cluster tells them no more
        (done(), {}, Validity.NO_FENCE),
        (done(GOOD._replace(count=40)), {}, Validity.NO_FENCE),  # the fence itself is missing
        (done(GOOD._replace(first=1)), {}, Validity.NO_FENCE),  # another record stands at its offset
        (done(GOOD._replace(run=2)), {}, Validity.NO_FENCE),
        (done(GOOD._replace(kind=SightingKind.FOREIGN)), {}, Validity.NO_FENCE),
        (done(GOOD, position=120), {"fence": None}, Validity.SHORT),
        (done(GOOD), {"fence": None}, Validity.VALID),
        (done(Sighting(RECORD, 140, 1, 3, US, 1, 40)), {}, Validity.VALID),  # the fence begins what was sighted
        (done(GOOD._replace(offset=141, first=41)), {}, Validity.NO_FENCE),  # what was sighted begins above the fence
        (done(GOOD, start=110), {}, Validity.LATE),
        (done(GOOD, start=110, log_start=110), {}, Validity.VALID),  # there is nothing below
    ],
)
def test_a_re_read_that_may_not_have_seen_everything_proves_nothing(answer, changes, expected):
    assert judged(answer, **changes) is expected


def test_the_evidence_says_what_stands_there_now():
    answer = done(GOOD, Sighting(SightingKind.FOREIGN, 141, 1, 3), position=143, log_start=90)
    view = Answer(answer.sightings, US)
    assert stands_at(view, answer, 105) == "run 0000000000000001 sequence 5 (leader epoch 3)"
    assert stands_at(view, answer, 141) == "foreign record (leader epoch 3)"
    assert stands_at(view, answer, 142) == "nothing"
    assert stands_at(view, answer, 143).startswith("nothing: the log was read up to offset 143")
    assert stands_at(view, answer, 80) == stands_at(view, answer, 0) == "nothing: the log starts at 90"
    assert stands_at(view, answer, 90) == "nothing"
    assert stands_at(view, answer, -1) == "its offset is not known"


def test_the_evidence_names_fence_reason_epoch_and_topic():
    world = World()
    world.elect()
    world.produce(10)
    world.read()
    world.truncate(6)
    world.judge()
    (loss,) = world.losses
    assert (loss.run, loss.first, loss.count, loss.offset) == (1, 6, 4, 6)
    assert (loss.leader_epoch_before, loss.topic_id, loss.seen) == (1, "first topic", "before")
    assert loss.fence.sequence > 10
    assert loss.reason == "the log went backwards"
    assert "leader epoch 2" in loss.stands_there


def test_a_loss_over_two_leader_epochs_names_both():
    world = World()
    world.produce(5)
    world.elect()
    world.produce(5)
    world.read()
    world.truncate(3)
    world.judge()
    assert {(loss.first, loss.count, loss.leader_epoch_before) for loss in world.losses} == {(3, 2, 0), (5, 5, 1)}


def test_a_damaged_record_in_the_answer_is_corrupted_unless_the_log_went_back():
    for went_back in (False, True):
        world = World()
        world.produce(8)
        piece = next(iter(world.ledger.own.positions))
        if went_back:
            world.ledger.regressed(0, world.now(), known_to=world.ledger.highest_acked)
        else:
            world.ledger._suspect(world.ledger.own, piece, "for the test")
        world.drain()
        world.log[4] = Entry(CORRUPTED)
        world.judge()
        assert (world.state_of(4) is State.CORRUPTED) is not went_back
        assert world.lost == (mine(world, [4]) if went_back else set())


def test_a_run_that_was_let_go_is_not_judged():
    world = World()
    world.produce(5)
    after = world.restart(state=world.saved())
    after.ledger.regressed(0, after.now())
    after.drain()
    after.ledger._archive(1)
    after.judge()
    assert after.losses == []


def places(world: World) -> dict[int, int]:
    """Return where each sequence that was lost had stood, by the evidence."""
    return {loss.first + n: loss.offset + n for loss in world.losses for n in range(loss.count)}


def test_what_is_lost_on_both_sides_of_a_record_that_was_written_again_is_proved():
    world = World()
    world.produce(10)
    world.read()
    world.truncate(3)
    world.append(6)
    world.judge()
    assert world.lost == mine(world, [3, 4, 5, 7, 8, 9])
    assert places(world) == {s: s for s in (3, 4, 5, 7, 8, 9)}


def test_a_loss_at_the_very_beginning_of_the_log_says_where_it_stood():
    world = World()
    world.produce(3)
    world.read()
    world.truncate(0)
    world.put(Entry(FOREIGN, epoch=world.epoch))
    world.judge()
    assert world.lost == mine(world, range(3))
    assert places(world) == {0: 0, 1: 1, 2: 2}
    assert min(world.losses, key=lambda loss: loss.first).stands_there == "foreign record (leader epoch 1)"


def test_a_damaged_record_at_the_very_beginning_of_the_log_is_corrupted():
    world = World()
    world.produce(4)
    world.log[0] = Entry(CORRUPTED)
    world.ledger._suspect(world.ledger.own, next(iter(world.ledger.own.positions)), "for the test")
    world.drain()
    world.judge()
    assert world.state_of(0) is State.CORRUPTED
    assert world.lost == set()


def test_missing_records_beside_a_damaged_one_are_lost():
    world = World()
    world.produce(8)
    world.ledger._suspect(world.ledger.own, next(iter(world.ledger.own.positions)), "for the test")
    world.drain()
    world.log[1] = None
    world.log[3] = Entry(CORRUPTED)
    world.log[4] = None
    world.judge()
    assert world.state_of(3) is State.CORRUPTED
    assert world.lost == mine(world, [1, 4])
    assert places(world) == {1: 1, 4: 4}


def test_of_records_without_a_known_place_no_place_is_said():
    world = World()
    world.produce(2)
    world.read()
    (sent,) = world.send(1)
    world.ack((sent, 1, None))
    world.produce(3)
    world.settle()
    assert world.lost == mine(world, [sent])
    (loss,) = world.losses
    assert (loss.offset, loss.stands_there) == (-1, "its offset is not known")


def test_the_log_start_does_not_explain_a_missing_record_that_must_have_stood_above_it():
    world = World()
    world.produce(30)
    world.read()
    (sent,) = world.send(1)
    world.ack((sent, 1, None))
    world.produce(5)
    world.retain_from(20)
    world.settle()
    assert world.lost == mine(world, [sent])


def test_beside_a_damaged_record_without_a_known_place_others_are_lost_and_no_place_is_said_of_them():
    world = World()
    world.produce(4)
    world.read()
    sent = world.send(3)
    world.append(*sent)
    world.ack((sent.start, 3, None))
    world.log[4:] = [Entry(CORRUPTED)]
    world.produce(5)
    world.settle()
    assert world.state_of(sent[0]) is State.CORRUPTED
    assert world.lost == mine(world, sent[1:])
    assert {loss.offset for loss in world.losses} == {-1}


def suspect_everything(world: World) -> None:
    for piece in list(world.ledger.own.positions):
        world.ledger._suspect(world.ledger.own, piece, "for the test")
    world.drain()


def test_a_damaged_record_above_anothers_is_known_by_its_own_offset():
    world = World()
    world.produce(4)
    world.put(Entry(FOREIGN))
    world.produce(4)
    suspect_everything(world)
    world.log[5] = Entry(CORRUPTED)
    world.judge()
    assert world.state_of(4) is State.CORRUPTED
    assert world.lost == set()


def test_a_damaged_record_at_the_very_beginning_is_known_though_an_earlier_one_stands_above():
    world = World()
    world.send(3)
    offset = world.append(1, 2, 0)
    world.ack((1, 2, offset), (0, 1, offset + 2))
    suspect_everything(world)
    world.log[0] = Entry(CORRUPTED)
    world.judge()
    assert world.state_of(1) is State.CORRUPTED
    assert world.lost == set()


def test_what_was_acknowledged_after_the_log_had_gone_back_and_is_damaged_since_is_no_loss():
    world = World()
    world.produce(3)
    world.read()
    world.truncate(0)
    world.produce(3)
    suspect_everything(world)
    world.log[0] = Entry(CORRUPTED, epoch=world.epoch)
    world.judge()
    assert world.state_of(3) is State.CORRUPTED
    assert world.lost == mine(world, range(3))


def test_a_log_start_explains_what_stood_below_it_and_nothing_above():
    world = World()
    world.produce(8)
    suspect_everything(world)
    world.log[5] = None
    world.retain_from(4)
    world.judge()
    assert [world.state_of(s) for s in range(4)] == [State.EXPIRED] * 4
    assert world.lost == mine(world, [5])


@pytest.mark.parametrize(
    ("went_back_to", "state"),
    [(None, State.EXPIRED), (1, State.EXPIRED), (0, State.LOST)],
)
def test_a_log_start_explains_a_record_of_unknown_place_unless_the_log_is_proved_to_have_begun_anew(
    went_back_to, state
):
    world = World()
    world.produce(5)
    world.read()
    (sent,) = world.send(1)
    world.ack((sent, 1, None))
    world.produce(10)
    world.read()
    world.ledger.suspect_unplaced()
    world.drain()
    if went_back_to is not None:
        world.ledger.regressed(went_back_to, world.now(), known_to=world.ledger.highest_acked)
        world.drain()
    world.retain_from(8)
    world.judge()
    assert world.state_of(sent) is state
    assert ((world.run, sent) in world.lost) is (state is State.LOST)


@pytest.mark.parametrize(("went_back_to", "state"), [(None, State.CORRUPTED), (5, State.CORRUPTED), (4, State.LOST)])
def test_a_damaged_record_is_the_missing_one_of_unknown_place_unless_the_log_went_back_to_there(went_back_to, state):
    world = World()
    world.produce(4)
    world.read()
    (sent,) = world.send(1)
    world.put(Entry(CORRUPTED))
    world.ack((sent, 1, None))
    world.produce(4)
    world.read()
    world.ledger.suspect_unplaced()
    world.drain()
    if went_back_to is not None:
        world.ledger.regressed(went_back_to, world.now(), known_to=world.ledger.highest_acked)
        world.drain()
    world.judge()
    assert world.state_of(sent) is state
    assert world.lost == (mine(world, [sent]) if state is State.LOST else set())


def test_a_record_of_ours_that_stands_below_is_not_the_one_that_had_been_acknowledged_there():
    """The log went back and nobody was told: so the log start explains what was written to it anew, far below."""
    world = World()
    world.produce(5)
    world.read()
    world.truncate(0)
    sent, other = world.send(2)
    world.append(sent)
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 3)
    world.append(other)  # where the last of the lost ones had been acknowledged
    world.ack((sent, 2, None))
    world.put(Entry(FOREIGN, epoch=world.epoch))
    world.retain_from(2)
    world.settle()
    world.recheck_everything()
    assert world.state_of(sent) is State.EXPIRED
    assert world.state_of(other) is State.VERIFIED
    assert (world.run, sent) not in world.lost


def test_that_an_earlier_record_stands_far_above_says_nothing_of_where_one_of_the_present_run_stood():
    world = World()
    (early,) = world.send(1)
    world.produce(5)
    world.read()
    world.truncate(0)
    (sent,) = world.send(1)
    world.append(sent)
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 1200)
    world.append(early)
    world.ack((sent, 1, None), (early, 1, None))
    world.retain_from(2)
    world.settle()
    assert world.state_of(sent) is State.EXPIRED
    assert (world.run, sent) not in world.lost


def test_what_an_earlier_run_had_acknowledged_bounds_what_the_next_one_sends():
    world = World()
    world.produce(30)
    world.read()
    after = world.restart(state=world.saved())
    after.read()
    (sent,) = after.send(1)
    after.ack((sent, 1, None))
    after.produce(5)
    after.retain_from(20)
    after.settle()
    assert after.lost == mine(after, [sent])


@pytest.mark.parametrize("written_since", [0, 5])
def test_a_damaged_record_that_was_written_after_the_log_went_back_is_no_loss_wherever_it_stands(written_since):
    world = World()
    world.produce(8)
    suspect_everything(world)
    world.ledger.regressed(0, world.now(), known_to=written_since - 1)  # what was proved says nothing of those above
    world.drain()
    world.log[written_since] = Entry(CORRUPTED)
    world.judge()
    assert world.state_of(written_since) is State.CORRUPTED
    assert world.lost == set()


def test_what_is_lost_on_both_sides_of_a_damaged_record_is_proved():
    world = World()
    world.produce(8)
    suspect_everything(world)
    for gone in (3, 5):
        world.ledger.own.rewound.add(gone)  # the log went back to there, and what is damaged is another record
    for offset in (3, 4, 5):
        world.log[offset] = Entry(CORRUPTED)
    world.judge()
    assert world.state_of(4) is State.CORRUPTED
    assert world.lost == mine(world, [3, 5])


def test_a_record_of_ours_that_stands_twice_does_not_show_that_the_log_never_went_back():
    world = World()
    (early,) = world.send(1)
    world.produce(5)
    world.read()
    world.truncate(0)
    (sent,) = world.send(1)
    world.append(sent, early)
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 2)
    world.append(early)  # where the last of the lost ones had been acknowledged
    world.ack((sent, 1, None), (early, 1, None))
    world.put(Entry(FOREIGN, epoch=world.epoch))
    world.retain_from(1)
    world.settle()
    assert world.state_of(sent) is State.EXPIRED
    assert (world.run, sent) not in world.lost


def test_of_records_without_a_known_place_that_were_seen_in_part_no_place_is_said():
    world = World()
    world.produce(4)
    world.read()
    sent = world.send(2)
    world.ack((sent.start, 2, None))
    world.produce(2)
    world.read()
    world.ledger.suspect_unplaced()
    world.drain()
    world.append(sent[0])
    world.read()
    world.truncate(len(world.log) - 1)
    world.judge()
    assert world.lost == mine(world, sent)
    assert {(loss.first, loss.seen, loss.offset) for loss in world.losses} == {
        (sent[0], "before", -1),
        (sent[1], "never", -1),
    }


EARLIER = 5  # a run of an earlier process


def of_earlier(offset, first, count=1, epoch=1) -> Sighting:
    return Sighting(RECORD, offset, count, epoch, US, EARLIER, first)


@pytest.mark.parametrize(
    ("stands", "sequence", "bound"),
    [
        ([of_earlier(5, 0, 10)], 12, 15),  # sent after the state was saved: above all that had been read then
        ([of_earlier(5, 0)], 12, 6),
        ([of_earlier(15, 0, 10)], 12, 20),  # but of what was read later nothing is known
        ([of_earlier(20, 0)], 12, 0),
        ([of_earlier(30, 0)], 12, 0),
        ([of_earlier(5, 0, 10, epoch=2)], 12, 15),
        ([of_earlier(5, 0, 10, epoch=3)], 12, 0),  # written since, once more
        ([of_earlier(5, 0, 10, epoch=-1)], 12, 0),
        ([of_earlier(5, 0, 4)], 4, 0),  # sent before: only the order of its run bounds it, and retries may break that
        ([of_earlier(5000, 0, 4)], 4, 4004),
        ([of_earlier(5000, 12, 4)], 10, 0),
        ([], 12, 0),
    ],
)
def test_where_a_record_of_an_earlier_run_must_have_stood_at_the_lowest(stands, sequence, bound):
    account = Account(PARTITION, EARLIER, orphan=True)
    account.known, account.read_to, account.read_epoch = 10, 20, 2
    answer = Answer(tuple(stands), US)
    assert _lower_bound(account, sequence, answer) == bound
    account.orphan = False  # of the present run each acknowledgement was heard, and tells more
    assert _lower_bound(account, sequence, answer) == 0


@pytest.mark.parametrize(
    ("stands", "sequence", "above"),
    [([], 3, 0), ([of_earlier(7, 0)], 1, 8), ([of_earlier(7, 0, 3)], 3, 10), ([of_earlier(7, 4)], 3, 0)],
)
def test_a_missing_record_is_looked_for_just_above_the_one_before(stands, sequence, above):
    assert _just_above(Account(PARTITION, EARLIER), sequence, Answer(tuple(stands), US)) == above


@pytest.mark.parametrize("when", ["in flight", "acknowledged", "verified"])
def test_what_was_read_of_a_deleted_topic_and_is_handled_late_is_not_lost_by_the_one_made_anew(when):
    """That it is taken for a sighting in the new one cannot be helped: a batch does not say of which topic it is."""
    world = World()
    sent = world.send(5)
    world.append(*sent)
    if when != "in flight":
        world.ack((0, 5, 0))
    if when == "verified":
        world.read()
    late = world.sightings(0, 5)
    world.recreate_topic()
    world.notice_new_topic()
    world.deliver(0, 5, late)
    if when == "in flight":
        world.ack((0, 5, 0))
    assert world.count("verified") == 5
    world.reader = 0
    world.judge()
    world.recheck_everything()
    assert world.lost == set()


@pytest.mark.parametrize("read_first", [True, False])
def test_what_a_topic_made_anew_was_found_to_hold_by_a_re_read_and_then_loses_is_lost(read_first):
    world = World()
    sent = world.send(5)
    world.recreate_topic()
    world.notice_new_topic()
    offset = world.append(*sent)
    if read_first:
        world.read()
    world.ack((0, 5, offset))
    world.judge()
    world.truncate(2)
    world.judge()
    assert {(world.run, s) for s in (2, 3, 4)} <= world.lost


def test_what_was_suspected_of_the_deleted_topic_makes_no_loss_of_what_leaves_the_new_one_by_its_log_start():
    world = World()
    world.put(*[Entry(FOREIGN)] * 50)
    sent = world.produce(5)
    suspect_everything(world)
    world.ledger.regressed(20, world.now(), known_to=world.ledger.highest_acked)
    world.drain()
    world.recreate_topic()
    world.notice_new_topic()
    world.append(*sent)
    world.read()
    assert world.count("verified") == 5
    world.retain_from(5)
    world.judge()
    assert world.lost == set()


def test_of_a_run_that_was_only_met_in_the_log_nothing_but_its_order_is_known():
    stands = Answer((of_earlier(5, 0, 10),), US)
    assert _lower_bound(Account(PARTITION, EARLIER, orphan=True), 12, stands) == 0


# --- acknowledged without an offset, once a copy had been seen: which copy it was, nobody said


def seen_before_it_was_acknowledged(*, restarted: bool) -> World:
    """Records 2 and 3 are cut, and 4, of which a copy had been read at 4: a client that tries again writes it at 2."""
    world = World()
    world.produce(4)
    world.append(*world.send(1))
    world.read()
    saved = world.saved()
    world.truncate(2)
    world.append(4)
    world.ack((4, 1, None))
    world.produce(4)
    return world.restart(state=saved) if restarted else world


@pytest.mark.parametrize("restarted", [False, True])
def test_a_record_that_was_seen_before_its_acknowledgement_may_have_expired_as_another_copy(restarted):
    world = seen_before_it_was_acknowledged(restarted=restarted)
    world.retain_from(3)
    world.read()
    world.settle()
    world.recheck_everything()
    assert world.state_of(4, run=1) is State.VERIFIED
    assert world.lost == {(1, 3)}  # 2 stood where the log start has passed


@pytest.mark.parametrize("restarted", [False, True])
def test_where_nothing_has_expired_it_is_lost_if_it_stands_nowhere(restarted):
    world = seen_before_it_was_acknowledged(restarted=restarted)
    world.log[2] = Entry(FOREIGN, epoch=world.epoch)
    world.read()
    world.settle()
    world.recheck_everything()
    assert world.lost == {(1, 2), (1, 3), (1, 4)}


@pytest.mark.parametrize("looked", [False, True])
def test_it_is_that_copy_once_a_later_look_has_found_it(looked):
    world = World()
    world.produce(4)
    world.append(*world.send(1))
    world.read()
    world.ack((4, 1, None))
    if looked:
        world.rechecks.incident("1", PARTITION, 0, world.now())
        world.judge()
    world.produce(2)
    world.read()
    world.truncate(4)
    world.produce(4)
    world.retain_from(4)
    world.read()
    world.settle()
    assert ((1, 4) in world.lost) is looked


def test_what_a_leader_of_unknown_epoch_wrote_does_not_tell_how_far_the_log_went_back():
    world = seen_before_it_was_acknowledged(restarted=False)
    world.retain_from(3)
    world.log[3] = Entry(FOREIGN, epoch=-1)
    world.read()
    world.settle()
    assert (1, 4) not in world.lost


@pytest.mark.parametrize(("log_start", "lost"), [(1, True), (2, True), (9, True), (10, False), (11, False)])
def test_below_where_the_log_went_back_to_no_copy_was_written(log_start, lost):
    """What stands there still tells: it was written by no later leader than what was seen."""
    world = World(margin=0)
    world.produce(40)
    world.append(*world.send(1))
    world.read()
    world.ack((40, 1, None))
    world.truncate(10)
    world.retain_from(log_start)
    world.produce(40)
    world.read()
    world.settle()
    assert ((1, 40) in world.lost) is lost


def test_of_an_earlier_run_it_is_that_copy_once_it_has_been_met():
    world = seen_before_it_was_acknowledged(restarted=True)
    world.read()
    world.settle()
    assert world.ledger.accounts[1].inferred.spans() == [(4, 1)]
    world.recheck_everything()
    assert world.ledger.accounts[1].inferred.spans() == []


def test_the_next_life_does_not_know_either_which_copy_it_was():
    world = seen_before_it_was_acknowledged(restarted=True)
    world.read()
    world.settle()
    world = world.restart(state=world.saved())
    world.retain_from(3)
    world.read()
    world.settle()
    world.recheck_everything()
    assert (1, 4) not in world.lost
    assert (1, 3) in world.lost


@pytest.mark.parametrize("at_once", [False, True])
def test_a_look_that_began_before_the_acknowledgement_does_not_tell_which_copy_it_was(at_once):
    world = World()
    world.produce(4)
    world.append(*world.send(1))
    world.read()
    world.rechecks.incident("1", PARTITION, 0, world.now())
    world.produce(1)
    world.read()
    (look,) = world.ask()
    done = world.look(look)
    world.ack((4, 1, None))
    if at_once:  # nobody knows which of the two came first
        world.ledger.inferred_at = world.rechecks.open_questions[0].asked_at.mono
    world.hand_in(done)
    assert world.ledger.own.inferred.spans() == [(4, 1)]


def test_of_an_earlier_run_it_is_that_copy_wherever_it_is_met_again():
    world = seen_before_it_was_acknowledged(restarted=True)
    world.read()
    assert world.ledger.accounts[1].inferred.spans() == [(4, 1)]
    world.ledger.sight(Sighting(RECORD, 2, 1, world.epoch, US, 1, 4))
    assert world.ledger.accounts[1].inferred.spans() == []


def test_a_look_without_a_fence_may_be_at_a_former_leader_and_does_not_tell_which_copy_it_was():
    world = World()
    world.append(*world.send(1))
    world.read()
    world.ack((0, 1, None))
    world.rechecks.background(PARTITION, 0, 1, world.now())
    (look,) = world.ask()
    world.hand_in(world.look(look))
    assert world.ledger.own.inferred.spans() == [(0, 1)]


def test_where_it_was_acknowledged_at_an_offset_it_is_known():
    world = World()
    world.append(*world.send(1))
    world.read()
    world.ack((0, 1, 0))
    assert world.state_of(0) is State.VERIFIED
    assert world.ledger.own.inferred.spans() == []


def test_a_copy_of_a_topic_that_was_deleted_says_nothing_of_the_next():
    world = World()
    world.append(*world.send(1))
    world.read()
    world.ack((0, 1, None))
    world.recreate_topic()
    world.notice_new_topic()
    assert world.ledger.own.inferred.spans() == []


def test_a_log_start_below_everything_of_its_run_does_not_explain_where_another_copy_went():
    world = World()
    world.produce(1_100)
    world.append(*world.send(1))
    world.read()
    saved = world.saved()
    world.ack((1_100, 1, None))
    world.produce(2)
    world.log[1_100] = Entry(FOREIGN, epoch=world.epoch)
    world = world.restart(state=saved)
    world.retain_from(50)
    world.read()
    world.settle()
    world.recheck_everything()
    assert world.lost == {(1, 1_100)}


def test_what_another_look_has_met_below_where_a_re_read_begins_is_not_lost():
    world = World(margin=0)
    world.put(*[Entry(FOREIGN)] * 10)
    world.produce(1)
    world.read()
    world.ledger.regressed(10, world.now())
    world.drain()
    world.truncate(1)
    world.append(0)  # the log was cut far deeper, and it was written again
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 12)
    world.rechecks.background(PARTITION, 0, 5, world.now())
    for _ in range(2):
        for command in world.ask():
            world.hand_in(world.look(command))
    world.judge()
    assert (10, True) in [(command.start, command.fence is not None) for command in world.asked]
    assert world.lost == set()
