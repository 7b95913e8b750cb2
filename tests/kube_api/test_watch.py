"""A watch goes on, misses nothing and says how fresh it is, whatever the API server and the network do."""

import threading
from random import Random

import pytest
from tests.kube_api.server import (
    BREAK,
    STALL,
    Mailbox,
    bookmark,
    drop,
    event,
    hang,
    obj,
    page,
    refuse,
    say,
    status_object,
    stream,
)

from kafka_sentinel.adapters.kubernetes import watch as watch_module
from kafka_sentinel.adapters.kubernetes.backoff import Backoff
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.resources import Resource
from kafka_sentinel.adapters.kubernetes.watch import Watch
from kafka_sentinel.adapters.kubernetes.watched import Watched, WatchOptions, WatchState
from kafka_sentinel.core.events import (
    AdapterError,
    ObjectChanged,
    ObjectDeleted,
    ObjectsListed,
    WatchAlive,
    WatchBroken,
)
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.runtime import now

PODS = Watched(Kind.POD, Resource("", "v1", "pods", "kafka"), {"labelSelector": "app=kafka"})
PATH = "/api/v1/namespaces/kafka/pods"
KAFKAS = Watched(Kind.KAFKA, Resource("kafka.strimzi.io", "", "kafkas", "kafka"), versions=("v1", "v1beta2"))
QUICK = WatchOptions(
    window=60.0, silence=0.0, shortest=0.0, first_wait=0.01, longest_wait=0.05, settled=0.0, off_wait=0.05
)
WRONG = {"metadata": {"name": "k-9", "uid": "uid-k-9", "resourceVersion": "12", "labels": "none"}}


def nothing_died(name, error):
    raise AssertionError(f"{name} died: {error}")


class Running:
    """One watch, its mailbox and what died."""

    def __init__(self, api, watched=PODS, options=QUICK, post=None, **more):
        self.mailbox = Mailbox()
        self.deaths = []
        self.watch = Watch(
            api,
            watched,
            options,
            post=post or self.mailbox.post,
            now=now,
            on_death=lambda name, error: self.deaths.append((name, error)),
            **more,
        )

    def __enter__(self):
        self.watch.start()
        return self

    def __exit__(self, *_):
        assert self.watch.stop(10.0)

    def names(self, kind):
        return [one.view.meta.name for one in self.mailbox.of(kind)]

    def lists(self):
        return [sorted(view.meta.name for view in one.views) for one in self.mailbox.of(ObjectsListed)]


def versions(script):
    return [one.query["resourceVersion"] for one in script.asked if one.watch]


def lists(script):
    return [one for one in script.asked if one.path == PATH and not one.watch]


def serve(script, *watches, listed=None):
    script.on("GET", PATH, *(listed or [say(page(obj("k-0"), obj("k-1")))]))
    script.on("GET", PATH, *watches, watch=True)


QUIET = stream(STALL)


# --- the ordinary course


def test_a_list_and_then_every_change_in_order(api, script):
    changes = [
        event("ADDED", obj("k-2", 11)),
        event("MODIFIED", obj("k-0", 12)),
        event("DELETED", obj("k-1", 13)),
        bookmark(14),
    ]
    serve(script, stream(*changes, STALL))
    with Running(api) as running:
        running.mailbox.wait(WatchAlive)
    kinds = [type(one) for one in running.mailbox.events]
    assert kinds == [ObjectsListed, ObjectChanged, ObjectChanged, ObjectDeleted, WatchAlive]
    assert running.lists() == [["k-0", "k-1"]]
    assert running.names(ObjectChanged) == ["k-2", "k-0"]
    assert running.names(ObjectDeleted) == ["k-1"]
    assert {one.scope for one in running.mailbox.events} == {"kafka"}
    assert running.deaths == []


def test_what_is_asked_for(api, script):
    serve(script, QUIET)
    with Running(api):
        script.wait_asked(1, watch=True)
    listed, watched = script.asked
    assert listed.query == {"labelSelector": "app=kafka", "limit": "250"}
    window = int(watched.query.pop("timeoutSeconds"))
    assert 48 <= window <= 60
    assert watched.query == {
        "labelSelector": "app=kafka",
        "watch": "1",
        "allowWatchBookmarks": "true",
        "resourceVersion": "10",
    }


def test_pages_make_one_list(api, script):
    pages = [say(page(obj("k-0"), more="a")), say(page(obj("k-1"), more="b")), say(page(obj("k-2"), version=77))]
    serve(script, QUIET, listed=pages)
    with Running(api):
        script.wait_asked(1, watch=True)
        assert [one.query.get("continue") for one in lists(script)] == [None, "a", "b"]
        assert versions(script) == ["77"]


def test_an_orderly_end_goes_on_where_it_was_without_a_list(api, script):
    serve(script, stream(event("ADDED", obj("k-2", 11))), stream(bookmark(20)), QUIET)
    with Running(api) as running:
        script.wait_asked(3, watch=True)
        assert versions(script) == ["10", "11", "20"]
        assert running.watch.status.restarts == 0
    assert len(running.lists()) == 1
    assert running.mailbox.of(WatchBroken) == []
    assert len(running.mailbox.of(WatchAlive)) == 3  # a bookmark and two ends in good order


def test_the_status_says_how_fresh_the_view_is(api, script):
    serve(script, stream(bookmark(11), STALL))
    with Running(api) as running:
        before = running.watch.status
        assert (before.state, before.synced) in {(WatchState.STARTING, None), (WatchState.LIVE, before.synced)}
        running.mailbox.wait(WatchAlive)
        after = running.watch.status
        assert after.state is WatchState.LIVE
        assert abs(after.synced - now().wall) < 60


# --- connections


@pytest.mark.parametrize("end", [BREAK, STALL], ids=["breaks off", "goes silent, half open"])
def test_a_connection_that_ends_badly_is_taken_up_where_it_was(api, script, end):
    serve(script, stream(event("ADDED", obj("k-2", 11)), end), QUIET)
    with Running(api, options=WatchOptions(window=0.2, silence=0.1, first_wait=0.01, off_wait=0.01)) as running:
        [broken] = running.mailbox.wait(WatchBroken)[:1]
        script.wait_asked(2, watch=True)
    assert broken.code == {BREAK: "broken", STALL: "timeout"}[end]
    assert versions(script)[1] == "11"
    assert len(lists(script)) == 1
    assert running.watch.status.restarts >= 1


def test_silence_is_not_taken_for_freshness(api, script):
    serve(script, stream(STALL))
    options = WatchOptions(window=0.2, silence=0.1, first_wait=0.01, longest_wait=0.02)
    with Running(api, options=options) as running:
        running.mailbox.wait(WatchBroken, 3)
    assert running.mailbox.of(WatchAlive) == []


def test_an_event_cut_in_the_middle_is_told_once_and_whole(api, script):
    whole = event("MODIFIED", obj("k-0", 12))
    serve(script, stream(b'{"type": "MODIFIED", "object": {"metadata": {"na', BREAK), stream(whole, STALL))
    with Running(api) as running:
        running.mailbox.wait(ObjectChanged)
        assert versions(script) == ["10", "10"]
    assert running.names(ObjectChanged) == ["k-0"]


def test_an_event_cut_by_an_orderly_end_is_told_once_and_whole(api, script):
    serve(script, stream(b'{"type": "MODIFIED", "obj'), stream(event("MODIFIED", obj("k-0", 12)), STALL))
    with Running(api) as running:
        running.mailbox.wait(ObjectChanged)
        assert versions(script) == ["10", "10"]
    assert running.names(ObjectChanged) == ["k-0"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [(drop(), "broken"), (hang(), "timeout"), (refuse(500), "500"), (refuse(503), "503"), (refuse(429), "429")],
)
def test_a_server_in_trouble_needs_no_new_list(api, script, answer, code):
    serve(script, answer, answer, stream(bookmark(11), STALL))
    with Running(api) as running:
        running.mailbox.wait(WatchAlive)
    assert [one.code for one in running.mailbox.of(WatchBroken)] == [code, code]
    assert len(lists(script)) == 1
    assert running.watch.status.restarts == 2


@pytest.mark.parametrize("answer", [drop(), refuse(500), refuse(429), say(b"<html>"), say({}), say(page(version=""))])
def test_a_list_that_fails_is_tried_again(api, script, answer):
    serve(script, QUIET, listed=[answer, answer, say(page(obj("k-0")))])
    with Running(api) as running:
        running.mailbox.wait(ObjectsListed)
    assert running.lists() == [["k-0"]]
    assert len(running.mailbox.of(WatchBroken)) == 2


def test_a_list_that_breaks_between_pages_begins_anew(api, script):
    listed = [say(page(obj("k-0"), more="a")), refuse(410, "Expired"), say(page(obj("k-1"), version=30))]
    serve(script, QUIET, listed=listed)
    with Running(api) as running:
        running.mailbox.wait(ObjectsListed)
        assert [one.query.get("continue") for one in lists(script)] == [None, "a", None]
    assert running.lists() == [["k-1"]]


# --- versions that are gone


@pytest.mark.parametrize(
    "expired",
    [refuse(410, "Expired"), stream(event("ERROR", status_object(410, "Expired", "too old resource version")), STALL)],
    ids=["as a status", "as an event"],
)
def test_after_410_the_list_is_taken_again_and_the_inventory_tells_the_difference(api, script, expired):
    serve(
        script,
        expired,
        QUIET,
        listed=[say(page(obj("k-0"), obj("k-1"), version=10)), say(page(obj("k-0", uid="new"), version=90))],
    )
    with Running(api) as running:
        running.mailbox.wait(ObjectsListed, 2)
        script.wait_asked(2, watch=True)
        assert versions(script) == ["10", "90"]  # never the expired one again
    [broken] = running.mailbox.of(WatchBroken)
    assert broken.code == "410"
    inventory = Inventory()
    first, second = running.mailbox.of(ObjectsListed)
    inventory.take(first)
    gone = [one.view.meta.uid for one in inventory.take(second) if one.after is None]
    assert sorted(gone) == ["uid-k-0", "uid-k-1"]


def test_any_other_error_event_is_followed_by_a_list(api, script):
    serve(script, stream(bookmark(11), event("ERROR", status_object(500, "InternalError", "boom")), STALL), QUIET)
    with Running(api) as running:
        running.mailbox.wait(ObjectsListed, 2)
    assert [one.code for one in running.mailbox.of(WatchBroken)] == ["500"]


@pytest.mark.parametrize("told", [{"type": "ERROR"}, {"type": "ERROR", "object": "?"}, {"type": "ERROR", "object": {}}])
def test_an_error_event_without_status_is_an_error_all_the_same(api, script, told):
    serve(script, stream(told, STALL), QUIET)
    with Running(api) as running:
        running.mailbox.wait(ObjectsListed, 2)
    assert [one.code for one in running.mailbox.of(WatchBroken)] == ["answer"]


# --- what makes no sense


def test_blank_lines_are_nothing(api, script):
    serve(script, stream(b"\n", b"  \n\r\n", event("ADDED", obj("k-2", 11)), b"\n", STALL))
    with Running(api) as running:
        running.mailbox.wait(ObjectChanged)
    assert running.mailbox.of(WatchBroken) == []


@pytest.mark.parametrize(
    "line",
    [b"not json\n", b"[1]\n", b'{"type": "SURPRISE", "object": {}}\n', b'{"type": "ADDED"}\n', b"[" * 50_000 + b"\n"],
)
def test_a_line_that_makes_no_sense_costs_a_list_and_nothing_that_came_before(api, script, line):
    good = b'{"type":"ADDED","object":{"metadata":{"name":"k-2","uid":"u2","resourceVersion":"11"}}}\n'
    serve(script, stream(good + line, STALL), QUIET)
    with Running(api) as running:
        running.mailbox.wait(ObjectsListed, 2)
    assert running.names(ObjectChanged) == ["k-2"]
    assert [one.code for one in running.mailbox.of(WatchBroken)] == ["answer"]


@pytest.mark.parametrize("wrong", [WRONG, {"metadata": {"name": "k-9", "resourceVersion": "12"}}])
def test_an_object_that_cannot_be_read_is_said_once_and_the_watch_goes_on(api, script, wrong):
    again = {**wrong, "metadata": {**wrong["metadata"], "resourceVersion": "13"}}
    serve(script, stream(event("ADDED", wrong), event("MODIFIED", again), event("ADDED", obj("k-2", 14)), STALL))
    with Running(api) as running:
        running.mailbox.wait(ObjectChanged)
    [said] = running.mailbox.of(AdapterError)
    assert (said.subject, said.code) == ("kubernetes", "object")
    assert "k-9" in said.message
    assert running.names(ObjectChanged) == ["k-2"]
    assert running.mailbox.of(WatchBroken) == []


def test_an_unreadable_object_in_a_list_is_left_out_and_said(api, script):
    serve(script, QUIET, listed=[say(page(obj("k-0"), WRONG, None, "text"))])
    with Running(api) as running:
        running.mailbox.wait(AdapterError, 2)
    assert running.lists() == [["k-0"]]


def test_an_object_that_becomes_unreadable_is_not_gone(api, script):
    broken = {"metadata": {"name": "k-0", "uid": "uid-k-0", "resourceVersion": "12", "labels": "none"}}
    serve(
        script,
        stream(event("MODIFIED", broken), event("ERROR", status_object(410)), STALL),
        QUIET,
        listed=[say(page(obj("k-0"), obj("k-1"))), say(page(broken, obj("k-1")))],
    )
    with Running(api) as running:
        running.mailbox.wait(ObjectsListed, 2)
    assert running.lists() == [["k-0", "k-1"]] * 2
    assert running.mailbox.of(ObjectDeleted) == []


def test_an_object_deleted_in_an_unreadable_form_is_gone(api, script):
    broken = {"metadata": {"name": "k-0", "uid": "uid-k-0", "resourceVersion": "12", "labels": "none"}}
    serve(script, stream(event("DELETED", broken), STALL))
    with Running(api) as running:
        running.mailbox.wait(ObjectDeleted)
    assert running.names(ObjectDeleted) == ["k-0"]


def test_a_reader_that_raises_anything_does_not_end_the_watch(api, script):
    def read(kind, raw):
        if raw["metadata"]["name"] == "k-1":
            raise ZeroDivisionError
        return parse(kind, raw)

    serve(script, stream(event("MODIFIED", obj("k-1", 11)), event("MODIFIED", obj("k-0", 12)), STALL))
    with Running(api, read=read) as running:
        running.mailbox.wait(ObjectChanged)
    assert running.names(ObjectChanged) == ["k-0"]
    assert running.deaths == []


def test_complaints_are_bounded(api, script, monkeypatch):
    monkeypatch.setattr(watch_module, "MAX_COMPLAINTS", 3)
    wrong = [
        event("ADDED", {"metadata": {"name": f"x{n}", "uid": f"x{n}", "resourceVersion": "1", "labels": 1}})
        for n in range(20)
    ]
    serve(script, stream(*wrong, STALL))
    with Running(api) as running:
        running.mailbox.wait(AdapterError, 20)
        assert len(running.watch._complaints) <= 3


def test_a_mailbox_that_raises_is_a_death_that_is_reported(api, script):
    def post(_events):
        raise RuntimeError("mailbox")

    serve(script, QUIET)
    running = Running(api, post=post)
    running.watch.start()
    assert running.watch._worker._thread.join(10.0) is None
    assert [(name, str(error)) for name, error in running.deaths] == [("watch-pods-kafka", "mailbox")]


# --- repeats


def test_what_was_told_before_is_not_told_again(api, script):
    serve(
        script,
        stream(event("ADDED", obj("k-0")), event("MODIFIED", obj("k-1", 11)), event("MODIFIED", obj("k-1", 11)), BREAK),
        stream(event("MODIFIED", obj("k-1", 11)), event("DELETED", obj("k-1", 12)), BREAK),
        stream(event("DELETED", obj("k-1", 12)), event("DELETED", obj("never", 13)), bookmark(14), STALL),
    )
    with Running(api) as running:
        running.mailbox.wait(WatchAlive)
    assert running.names(ObjectChanged) == ["k-1"]
    assert running.names(ObjectDeleted) == ["k-1"]


def test_a_namesake_with_another_uid_is_another_object(api, script):
    serve(script, stream(event("DELETED", obj("k-0", 11)), event("ADDED", obj("k-0", 12, uid="new")), STALL))
    with Running(api) as running:
        running.mailbox.wait(ObjectChanged)
    assert [one.view.meta.uid for one in running.mailbox.of(ObjectChanged)] == ["new"]


# --- bounds


def test_more_objects_than_we_hold_are_an_error_and_no_half_truth(api, script, monkeypatch):
    monkeypatch.setattr(watch_module, "MAX_OBJECTS", 3)
    serve(script, QUIET, listed=[say(page(*[obj(f"k-{n}") for n in range(4)]))])
    with Running(api) as running:
        running.mailbox.wait(WatchBroken, 2)
    assert running.lists() == []
    assert "more than 3 pods" in running.watch.status.problem


def test_a_watch_that_grows_beyond_what_we_hold_is_an_error(api, script, monkeypatch):
    monkeypatch.setattr(watch_module, "MAX_OBJECTS", 3)
    added = [event("ADDED", obj(f"n-{n}", 11 + n)) for n in range(3)]
    serve(script, stream(*added, STALL))
    with Running(api) as running:
        running.mailbox.wait(WatchBroken)
        assert len(running.watch._known) <= 3


def test_pages_without_end_are_given_up(api, script, monkeypatch):
    monkeypatch.setattr(watch_module, "MAX_PAGES", 5)
    serve(script, QUIET, listed=[say(page(more="again"))])
    with Running(api) as running:
        running.mailbox.wait(WatchBroken)
    assert "pages" in running.mailbox.of(WatchBroken)[0].message


# --- waiting


def test_waits_grow_to_a_bound_and_begin_anew():
    backoff = Backoff(0.5, 30.0, Random(1))
    waits = [backoff.next() for _ in range(20)]
    assert all(0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(waits[:6]))
    assert all(15.0 <= wait <= 30.0 for wait in waits[6:])
    backoff.reset()
    assert backoff.next() <= 0.5


def test_two_watches_do_not_wait_in_step():
    one, other = (Backoff(0.5, 30.0, Random(seed)) for seed in (1, 2))
    assert [one.next() for _ in range(5)] != [other.next() for _ in range(5)]


@pytest.mark.parametrize(("asked", "wait"), [(7.0, 7.0), (None, 0.01)])
def test_the_wait_is_at_least_what_the_server_asks_for(api, asked, wait):
    watch = Running(api).watch
    assert watch._failed(ApiError("429", "TooManyRequests", "", retry_after=asked)) >= wait / 2


def test_a_server_that_ends_every_watch_at_once_is_not_asked_without_pause(api, script):
    serve(script, stream(bookmark(11)))
    options = WatchOptions(window=60.0, shortest=30.0, first_wait=0.01, longest_wait=0.02)
    with Running(api, options=options) as running:
        broken = running.mailbox.wait(WatchBroken, 3)
    assert {one.code for one in broken} == {"broken"}
    assert running.watch._backoff.next() >= 0.01  # the last, not the first


def test_a_watch_that_fails_soon_after_it_began_has_not_recovered(api, script):
    serve(script, stream(bookmark(11), BREAK))
    options = WatchOptions(window=60.0, first_wait=0.001, longest_wait=0.02, settled=1000.0)
    with Running(api, options=options) as running:
        running.mailbox.wait(WatchBroken, 8)
    assert running.watch._backoff.next() >= 0.01


# --- off


@pytest.mark.parametrize("status", [403, 404])
def test_what_is_refused_is_off_is_said_and_is_tried_again(api, script, status):
    serve(script, QUIET, listed=[*[refuse(status, "No")] * 8, say(page(obj("k-0")))])
    with Running(api) as running:
        running.mailbox.wait(ObjectsListed)
        assert running.watch.status.state is WatchState.LIVE
        assert running.watch.status.problem == ""
    assert [one.code for one in running.mailbox.of(WatchBroken)] == [str(status)] * 3  # then it is off, and silent


def test_off_waits_for_longer_and_longer(api, script):
    serve(script, QUIET, listed=[refuse(403, "Forbidden")])
    watch = Running(api, options=WatchOptions()).watch
    error = ApiError("403", "Forbidden", "no")
    waits = [watch._failed(error) for _ in range(12)]
    assert all(wait < 5 for wait in waits[:3])  # a server that has just started may take that long to know the rights
    assert sum(waits[:5]) < 30
    assert all(150 <= wait <= 300 for wait in waits[9:])
    assert watch.status.state is WatchState.OFF
    assert "grant the permission" in watch.status.problem


def test_one_refusal_of_a_server_that_just_started_turns_nothing_off(api, script):
    serve(script, refuse(403, "Forbidden"), stream(bookmark(11), STALL))
    with Running(api) as running:
        running.mailbox.wait(WatchAlive)
    assert [one.code for one in running.mailbox.of(WatchBroken)] == ["403"]


def test_a_permission_taken_away_is_said(api, script):
    serve(
        script,
        stream(event("ERROR", status_object(403, "Forbidden"))),
        listed=[say(page()), refuse(403, "Forbidden", "taken away")],
    )
    with Running(api) as running:
        running.mailbox.wait(WatchBroken, 3)
        assert running.watch.status.state is WatchState.OFF


@pytest.mark.parametrize(
    ("served", "chosen"),
    [(("v1", "v1beta2"), "v1"), (("v1beta2", "v1beta1"), "v1beta2"), (("v2", "v1"), "v1")],
)
def test_the_version_of_a_custom_resource_is_found_out(api, script, served, chosen):
    groups = {"kind": "APIGroup", "versions": [{"version": one} for one in served]}
    script.on("GET", "/apis/kafka.strimzi.io", say(groups))
    path = f"/apis/kafka.strimzi.io/{chosen}/namespaces/kafka/kafkas"
    script.on("GET", path, say(page()))
    script.on("GET", path, QUIET, watch=True)
    with Running(api, KAFKAS) as running:
        running.mailbox.wait(ObjectsListed)
        script.wait_asked(1, watch=True)


@pytest.mark.parametrize("answer", [refuse(404, "NotFound"), say({"versions": [{"version": "v3"}]}), say({})])
def test_without_the_custom_resource_the_watch_is_off(api, script, answer):
    script.on("GET", "/apis/kafka.strimzi.io", answer)
    with Running(api, KAFKAS) as running:
        running.mailbox.wait(WatchBroken, 3)
        assert running.watch.status.state is WatchState.OFF


def test_an_upgrade_that_drops_a_version_is_followed(api, script):
    old, new = (f"/apis/kafka.strimzi.io/{one}/namespaces/kafka/kafkas" for one in ("v1beta2", "v1"))
    group = "/apis/kafka.strimzi.io"
    script.on("GET", group, say({"versions": [{"version": "v1beta2"}]}), say({"versions": [{"version": "v1"}]}))
    for path in (old, new):
        script.on("GET", path, say(page()))
    script.on("GET", old, refuse(404, "NotFound"), watch=True)
    script.on("GET", new, stream(bookmark(11), STALL), watch=True)
    with Running(api, KAFKAS) as running:
        running.mailbox.wait(WatchAlive)
        assert running.watch.status.state is WatchState.LIVE


# --- the end


def test_a_silent_watch_ends_when_told_to(api, script):
    serve(script, QUIET)
    with Running(api) as running:
        script.wait_asked(1, watch=True)
        running.mailbox.wait(ObjectsListed)
        assert running.watch.stop(5.0)
    assert running.deaths == []
    assert running.mailbox.of(WatchBroken) == []


def test_a_watch_that_waits_ends_when_told_to(api, script):
    serve(script, QUIET, listed=[refuse(500)])
    with Running(api, options=WatchOptions(first_wait=1000.0, longest_wait=1000.0)) as running:
        running.mailbox.wait(WatchBroken)
        assert running.watch.stop(5.0)


def test_a_watch_in_the_middle_of_its_pages_ends_when_told_to(api, script, monkeypatch):
    monkeypatch.setattr(watch_module, "MAX_PAGES", 10**9)
    again = threading.Event()

    def endless(handler, asked):
        again.set()
        say(page(more="again"))(handler, asked)

    serve(script, QUIET, listed=[endless])
    with Running(api) as running:
        assert again.wait(10.0)
        assert running.watch.stop(5.0)
    assert running.mailbox.of(WatchBroken) == []


def test_a_watch_that_never_began_can_be_ended(api):
    watch = Running(api).watch
    assert watch.stop(1.0)
    assert watch.stop(1.0)
