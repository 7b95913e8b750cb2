"""At most one holds the lease at any moment, by its own clock, whatever the clocks and the network do."""

import json
import threading
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kube_api.server import drop, refuse
from tests.kube_api.store import Store

from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.lease import Lease, LeaseOptions
from kafka_sentinel.core.types import Instant
from kafka_sentinel.runtime import now as real_now

PATH = "/apis/coordination.k8s.io/v1/namespaces/own/leases/sentinel"


@dataclass
class Clock:
    """A clock for each Sentinel: `wall` may be anything."""

    mono: float = 1000.0
    wall: float = 1_800_000_000.0

    def __call__(self):
        return Instant(self.mono, self.wall)


@pytest.fixture
def store(script):
    script.world = Store()
    return script.world


class Candidate:
    def __init__(self, api, identity, clock=None):
        self.clock = clock or Clock()
        self.told = []
        self.lease = Lease(
            api,
            "own",
            "sentinel",
            identity,
            post=self.told.extend,
            now=self.clock,
            on_death=lambda name, error: self.told.append((name, error)),
            random=Random(1),
        )

    def turn(self, after=0.0):
        self.clock.mono += after
        self.lease._turn()
        return self.holds

    @property
    def holds(self):
        return self.lease.holds(self.clock())

    @property
    def changes(self):
        """Whether it was held, as it was told, each time that was another answer."""
        held = [one.held(one.at) for one in self.told]
        return [now for before, now in zip([False, *held], held, strict=False) if now != before]


def spec(store):
    return store.objects[PATH]["spec"]


# --- taking it


def test_the_first_makes_and_holds_it(api, store):
    one = Candidate(api, "one")
    assert not one.holds
    assert one.turn()
    assert spec(store)["holderIdentity"] == "one"
    assert spec(store)["leaseDurationSeconds"] == 15
    assert spec(store)["leaseTransitions"] == 0
    assert spec(store)["renewTime"] == spec(store)["acquireTime"] == "2027-01-15T08:00:00.000000Z"
    assert one.changes == [True]
    assert one.lease.status.holder == "one"


def test_the_second_waits_and_knows_who_has_it(api, store):
    one, two = Candidate(api, "one"), Candidate(api, "two")
    one.turn()
    assert not two.turn()
    assert two.lease.status.holder == "one"
    assert two.changes == []


def test_renewing_keeps_it_for_ever(api, store):
    one, two = Candidate(api, "one"), Candidate(api, "two")
    one.turn()
    for _ in range(50):
        one.clock.wall += 2
        assert one.turn(2.0)
        assert not two.turn(2.0)
    assert spec(store)["leaseTransitions"] == 0
    assert spec(store)["acquireTime"] == "2027-01-15T08:00:00.000000Z"
    assert spec(store)["renewTime"] == "2027-01-15T08:01:40.000000Z"


def test_a_lease_nobody_renews_is_taken_over_after_it_ran_out_by_the_observers_clock(api, store):
    one, two = Candidate(api, "one"), Candidate(api, "two")
    one.turn()
    assert not two.turn()
    assert not two.turn(14.9)
    assert two.turn(0.2)
    assert spec(store)["holderIdentity"] == "two"
    assert spec(store)["leaseTransitions"] == 1


def test_one_whose_clock_stood_still_learns_that_another_has_it_before_anything_is_broken(api, store):
    """Its machine was suspended: by its own clock it holds the lease, and no time has passed."""
    one, two = Candidate(api, "one"), Candidate(api, "two")
    one.turn()
    assert one.lease.objection() == ""
    two.turn()
    assert two.turn(15.1)
    assert one.holds
    assert one.lease.objection() == "the Lease is held by two"
    assert two.lease.objection() == ""


def test_where_nobody_answers_nothing_is_broken(api, script, store):
    one = Candidate(api, "one")
    one.turn()
    script.on("GET", PATH, refuse(500))
    assert one.holds
    assert "could not be asked" in one.lease.objection()


def test_one_that_has_not_got_it_does_not_even_ask(api, script, store):
    one = Candidate(api, "one")
    assert one.lease.objection() == "the Lease is not held"
    assert script.asked == []


@pytest.mark.parametrize("wall", [0.0, 4e9])
def test_clocks_of_the_wall_are_not_compared(api, store, wall):
    one, two = Candidate(api, "one"), Candidate(api, "two", Clock(mono=5.0, wall=wall))
    one.turn()
    assert not two.turn()
    assert not two.turn(10.0)
    one.turn(10.0)
    assert not two.turn(10.0)  # it saw the renewal only now
    assert not two.turn(14.0)
    assert two.turn(2.0)


def test_the_holders_own_word_on_how_long_it_lasts_counts(api, store):
    store.put(PATH, {"metadata": {"name": "sentinel"}, "spec": {"holderIdentity": "x", "leaseDurationSeconds": 60}})
    two = Candidate(api, "two")
    assert not two.turn()
    assert not two.turn(59.0)
    assert two.turn(2.0)


@pytest.mark.parametrize(
    "strange",
    [{}, {"spec": None}, {"spec": {"holderIdentity": ""}}, {"spec": {"holderIdentity": None}}, {"spec": "?"}],
)
def test_a_lease_without_holder_is_taken_at_once(api, store, strange):
    store.put(PATH, {"metadata": {"name": "sentinel"}, **strange})
    assert Candidate(api, "one").turn()


@pytest.mark.parametrize("seconds", ["15", None, 10**9])
def test_a_strange_duration_is_bounded(api, store, seconds):
    spec = {"holderIdentity": "x", "leaseDurationSeconds": seconds, "leaseTransitions": "?"}
    store.put(PATH, {"metadata": {"name": "sentinel"}, "spec": spec})
    two = Candidate(api, "two")
    assert not two.turn()
    assert two.turn(3601.0)


def test_an_earlier_life_of_ours_must_run_out_like_anybody_else(api, store):
    Candidate(api, "pod-1/aaaa").turn()
    again = Candidate(api, "pod-1/bbbb")
    assert not again.turn()
    assert again.turn(15.1)


# --- losing it


def test_the_holder_stops_before_anybody_may_take_over(api, store, script):
    one, two = Candidate(api, "one"), Candidate(api, "two")
    one.turn()
    two.turn()
    script.on("GET", PATH, drop())
    assert one.turn(9.9)
    assert not one.turn(0.2)  # past the renew deadline, and no renewal: we stop
    assert one.changes == [True, False]
    assert "broken" in one.lease.status.problem
    assert [one.answered for one in one.told] == [True, False, False]
    script.on("GET", PATH)
    assert not two.turn(10.1)


def test_a_renewal_counts_from_its_start_not_from_its_answer(api, store, script):
    one = Candidate(api, "one")
    one.turn()

    def slow(handler, asked):
        one.clock.mono += 9.0
        store(asked)(handler, asked)

    script.on("PUT", PATH, slow)
    one.turn(2.0)
    assert one.lease.status.held_until == 1002.0 + 10.0


def test_a_renewal_that_is_refused_is_none(api, store, script):
    one = Candidate(api, "one")
    one.turn()
    script.on("PUT", PATH, refuse(409, "Conflict"))
    assert one.turn(5.0)
    assert not one.turn(5.1)


def test_a_lease_taken_from_us_is_noticed_at_once(api, store):
    one = Candidate(api, "one")
    one.turn()
    store.put(PATH, {"metadata": {"name": "sentinel"}, "spec": {"holderIdentity": "x", "leaseDurationSeconds": 15}})
    assert not one.turn(2.0)
    assert one.lease.status.holder == "x"


def test_of_two_that_take_over_at_once_one_wins(api, store):
    one, two, three = (Candidate(api, name) for name in ("one", "two", "three"))
    one.turn()
    two.turn()
    three.turn()
    store.before["PUT"] = [lambda: three.turn(16.0)]
    assert not two.turn(16.0)
    assert three.holds
    assert spec(store)["holderIdentity"] == "three"


def test_a_lease_deleted_is_made_again(api, store):
    one = Candidate(api, "one")
    one.turn()
    del store.objects[PATH]
    assert one.turn(2.0)
    assert spec(store)["holderIdentity"] == "one"


def test_of_two_that_make_it_at_once_one_wins(api, store):
    one, two = Candidate(api, "one"), Candidate(api, "two")
    store.before["POST"] = [two.turn]
    assert not one.turn()
    assert two.holds


def test_labels_and_fields_of_others_are_kept(api, store):
    store.put(PATH, {"metadata": {"name": "sentinel", "labels": {"a": "b"}}, "spec": {"strategy": "x"}})
    Candidate(api, "one").turn()
    assert store.objects[PATH]["metadata"]["labels"] == {"a": "b"}
    assert spec(store)["strategy"] == "x"


# --- never two


class Flaky:
    """The store without a network, whose answers are lost as a test says."""

    def __init__(self):
        self.raw = None
        self.version = 0
        self.fate = "fine"

    def _do(self, act):
        if self.fate == "lost request":
            raise ApiError("unreachable", "", "")
        answer = act()
        if self.fate == "lost answer":
            raise ApiError("timeout", "", "")
        return answer

    def get(self, *_):
        def act():
            if self.raw is None:
                raise ApiError("404", "", "")
            return json.loads(json.dumps(self.raw))

        return self._do(act)

    def create(self, _resource, raw):
        def act():
            if self.raw is not None:
                raise ApiError("409", "", "")
            return self._put(raw)

        return self._do(act)

    def replace(self, _resource, _name, raw):
        def act():
            if raw["metadata"]["resourceVersion"] != self.version:
                raise ApiError("409", "", "")
            return self._put(raw)

        return self._do(act)

    def _put(self, raw):
        self.version += 1
        self.raw = json.loads(json.dumps(raw))
        self.raw["metadata"]["resourceVersion"] = self.version
        return json.loads(json.dumps(self.raw))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["fine", "fine", "lost request", "lost answer"]),
            st.sampled_from([0.0, 0.5, 2.0, 6.0, 11.0, 16.0]),
        ),
        max_size=60,
    )
)
def test_at_no_moment_do_two_hold_it(steps):
    shared, world = Flaky(), Clock()
    clocks = [Clock(mono=offset, wall=offset) for offset in (0.0, 500.0, 9e9)]
    candidates = [Candidate(shared, str(number), clock) for number, clock in enumerate(clocks)]
    for who, fate, passes in steps:
        shared.fate = fate
        candidates[who].turn()
        for clock in (world, *clocks):
            clock.mono += passes
        assert sum(candidate.holds for candidate in candidates) <= 1


# --- the thread


def running(api, identity, told, died):
    return Lease(
        api,
        "own",
        "sentinel",
        identity,
        post=lambda events: told.set() if events[-1].held(events[-1].at) else None,
        now=real_now,
        on_death=lambda name, error: died.append((name, error)),
        options=LeaseOptions(duration=15, renew_deadline=10.0, retry=0.02),
    )


def test_an_orderly_end_releases_it_for_the_next_at_once(api, store):
    died, told, next_told = [], threading.Event(), threading.Event()
    one = running(api, "one", told, died)
    one.start()
    assert told.wait(10.0)
    assert one.stop(10.0)
    assert not one.holds(real_now())
    assert "holderIdentity" not in spec(store)
    two = running(api, "two", next_told, died)
    two.start()
    assert next_told.wait(10.0)
    assert two.stop(10.0)
    assert died == []


def test_only_our_own_is_released(api, store):
    one, two = Candidate(api, "one"), Candidate(api, "two")
    one.turn()
    two.turn()
    two.turn(16.0)
    one.lease._release()
    two.lease._release()
    two.lease._release()
    assert not one.holds
    assert "holderIdentity" not in spec(store)


def test_one_that_was_taken_over_releases_nothing(api, store):
    one, two = Candidate(api, "one"), Candidate(api, "two")
    one.turn()
    two.turn()
    two.turn(16.0)
    one.lease._release()
    assert spec(store)["holderIdentity"] == "two"


def test_a_release_that_fails_ends_all_the_same(api, store, script):
    one = Candidate(api, "one")
    one.turn()
    script.on("PUT", PATH, refuse(500))
    one.lease._release()
    assert not one.holds


@pytest.mark.parametrize("wrong", [{"retry": 10.0}, {"renew_deadline": 15.0}, {"duration": 4000}, {"retry": 0.0}])
def test_times_must_fit_together(wrong):
    with pytest.raises(ValueError, match="retry < renew_deadline < duration"):
        LeaseOptions(**wrong)
