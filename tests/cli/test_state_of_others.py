"""A state of another version, cut off, or edited by hand, its checksum made right again: taken whole, or set aside."""

from __future__ import annotations

import base64
import contextlib
import copy
import gzip
import json

import pytest
from tests.fuzz.state import Restored, as_config_map, as_file, header, live, real, sealed

from kafka_sentinel.adapters import state_file
from kafka_sentinel.adapters.kubernetes import state_configmap
from kafka_sentinel.adapters.state_file import StateFile
from kafka_sentinel.adapters.state_shape import checked
from kafka_sentinel.core.checkpoint import StateError
from kafka_sentinel.runtime import Runtime
from kafka_sentinel.settings import Settings


def edited(path, value, which=1):
    """Return a real state with one thing in it changed; `path` is as an error names it."""
    state = copy.deepcopy(real()[which])
    *steps, last = path
    place = state
    for step in steps:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return state


ACCOUNT = ("truth", "partitions", 0, "accounts", 0)
EDITS = {
    "a number is a text": (
        (*ACCOUNT, "next"),
        "5",
        "its truth.partitions[0].accounts[0].next is wrong: input",
    ),
    "a number is a truth": ((*ACCOUNT, "next"), True, "its truth.partitions[0].accounts[0].next is wrong"),
    "a number is negative": ((*ACCOUNT, "next"), -5, "its truth.partitions[0].accounts[0].next is wrong"),
    "a number is beyond 64 bits": (("incidents", "number"), 10**400, "found a larger number"),
    "an instant is beyond all": (("alive_at",), 1e300, "its alive_at is wrong"),
    "a part is missing": (("availability",), None, "its availability is missing"),
    "a part is another": (("truth",), [], "its truth is wrong"),
    "a list is a map": ((*ACCOUNT, "suspected"), {}, "accounts[0].suspected is wrong"),
    "more were sent than are in any state": ((*ACCOUNT, "next"), 10**18, "sent, but"),
    "one is in two states": ((*ACCOUNT, "sets"), {"verified": [[0, 43]], "lost": [[0, 43]]}, "its truth cannot be: "),
    "one is in a state nobody knows": ((*ACCOUNT, "sets"), {"asleep": [[0, 76]]}, "'asleep' is not a valid State"),
    "suspected, and not acknowledged": ((*ACCOUNT, "suspected"), [[10**6, 5]], "its truth cannot be: "),
    "a partition is there twice": (("truth", "partitions"), real()[1]["truth"]["partitions"] * 2, "is there twice"),
    "a record among what is strange": (
        ("truth", "partitions", 0, "met"),
        [[5, 1, "record", 1, 0, 0]],
        "its truth.partitions[0].met[0]",
    ),
    "a place that is no stretch": ((*ACCOUNT, "inferred"), [[5]], "accounts[0].inferred[0]"),
    "a cause that there is not": (
        ("incidents", "open", 0, "cause"),
        "bad luck",
        "its incidents.open[0].cause is wrong",
    ),
    "a metric that there is not": (
        ("incidents", "open", 0, "tallies"),
        [["records_found_total", [["acks", "all"]], 3]],
        "its incidents.open[0].tallies[0]",
    ),
    "a day of no calendar": (("days", "rows"), [[10**9] + [0] * 41], "is not in the calendar"),
    "a row that is too short": (("days", "rows"), [[20_000, 1]], "its days cannot be"),
    "what steers a terminal": (("name",), ["\x1b[31m"], "its name is wrong"),
}


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """Return what starts a Sentinel on a state file of that content, and the words that it logs."""
    words = []
    monkeypatch.setattr("kafka_sentinel.runtime.logs.write", lambda _, *said: words.append(said))

    def start(content):
        (tmp_path / "state").write_bytes(content)
        given = {"kafka": {"bootstrap_servers": "127.0.0.1:1"}, "state": {"file": tmp_path / "state"}}
        found = Runtime(Settings.model_validate(given), web=False)
        found._store.close()
        return found, words

    return start


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_state_is_refused_with_the_place_of_what_is_wrong(name):
    path, value, words = EDITS[name]
    with pytest.raises(StateError) as caught:
        Restored(checked(edited(path, value)), run=9)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


def test_what_a_sentinel_writes_is_taken_and_nothing_of_it_is_left_out():
    for state in real():
        assert json.loads(json.dumps(checked(state))) == state
        assert Restored(checked(state), run=9).engine.truth.restored


@pytest.mark.parametrize("name", ["a number is a text", "one is in two states"])
def test_a_sentinel_sets_such_a_state_aside_says_why_and_begins_anew(runtime, tmp_path, name):
    path, value, words = EDITS[name]
    content = as_file(edited(path, value))
    found, said = runtime(content)
    assert found.engine.truth.restored == {}
    [(event, fields)] = said
    assert event == "state not used"
    assert words in fields["reason"]
    [kept] = tmp_path.glob("state.unreadable-*")
    assert kept.read_bytes() == content
    assert str(kept) == fields["set_aside"]


def test_a_sentinel_goes_on_from_a_sound_one(runtime, tmp_path):
    found, said = runtime(as_file(real()[1]))
    assert len(found.engine.truth.restored) == 2
    assert said == []
    assert list(tmp_path.glob("state.unreadable-*")) == []


# --- of another version

LATER = {"of_later": {"x": [1]}}
MISSING_BEFORE = (
    ("days",),
    ("control",),
    ("kubernetes",),
    ("incidents", "older"),
    ("truth", "partitions", 0, "read_epoch"),
    ("incidents", "open", 0, "load"),
    ("incidents", "open", 0, "announced"),
    ("incidents", "open", 0, "recovery", "pods"),
)


@pytest.mark.parametrize("path", MISSING_BEFORE, ids=lambda path: path[-1])
def test_what_earlier_versions_did_not_write_may_be_missing(path):
    assert Restored(checked(edited(path, None)), run=9).engine.truth.restored
    live(edited(path, None))


def test_what_a_later_version_writes_besides_is_left_out():
    def grown(value):
        if isinstance(value, list):
            return [grown(each) for each in value]
        return {**{name: grown(each) for name, each in value.items()}, **LATER} if isinstance(value, dict) else value

    state = real()[2]
    for free in ("sets", "folded", "archived"):  # maps from names to numbers: of those a later version means something
        assert free in json.dumps(state)
    known = checked({**state, **LATER, "experiments": grown(state["experiments"]) | {"past": {}}})
    assert "of_later" not in json.dumps(known)
    assert Restored(known, run=9).engine.truth.restored


# --- cut off, or damaged

GZIP_END = 8  # bytes: a checksum, and the size


def test_a_state_file_that_ends_early_is_never_taken():
    whole = as_file(real()[0])
    for length in range(len(whole) - 1):
        with pytest.raises(ValueError, match=r"empty|not written|damaged|version"):
            state_file._decode(whole[:length])
    assert state_file._decode(whole[:-1]) == state_file._decode(whole) == real()[0]  # the last end of line says nothing


def test_a_state_file_of_which_one_bit_is_another_is_never_taken_for_what_it_was_not():
    whole = as_file(real()[0])
    for place in range(len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        with contextlib.suppress(ValueError):
            assert state_file._decode(bytes(changed)) == real()[0]


@pytest.mark.parametrize("part", ["base64", "gzip", "header"])
def test_a_config_map_that_ends_early_is_taken_whole_or_not_at_all(part):
    raw = as_config_map(real()[0])
    packed, about = raw["binaryData"][state_configmap.STATE], raw["data"]["header"]
    whole = {"base64": packed, "gzip": base64.b64decode(packed), "header": about}[part]
    taken = 0
    for length in range(len(whole)):
        cut = whole[:length]
        if part == "header":
            raw["data"]["header"] = cut
        else:
            raw["binaryData"][state_configmap.STATE] = cut if part == "base64" else base64.b64encode(cut).decode()
        with contextlib.suppress(ValueError):
            assert state_configmap._decode(raw) == real()[0]
            taken += 1
    assert taken <= GZIP_END + 4  # without gzip's own words at its end, which our header has, too


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"name": NaN}', "NaN is no number"),
        (b'{"name": -Infinity}', "-Infinity is no number"),
        (b'{"a": {"name": 1, "name": 2}}', "name is there twice"),
        (b'{"\\u001b[31m": 1, "\\u001b[31m": 2}', r"\x1b[31m is there twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a"', "it is no JSON"),
        (b'"\xff"', "it is no JSON"),
        (b"[]", "it holds no state"),
    ],
)
def test_a_body_whose_checksum_was_made_right_is_still_looked_at(body, words):
    with pytest.raises(ValueError) as of_file:
        state_file._decode(sealed(body))
    packed = base64.b64encode(gzip.compress(body)).decode()
    raw = {"data": {"header": json.dumps(header(body))}, "binaryData": {state_configmap.STATE: packed}}
    with pytest.raises(ValueError) as of_config_map:
        state_configmap._decode(raw)
    assert words in str(of_file.value)
    assert str(of_file.value) == str(of_config_map.value)


@pytest.mark.parametrize("version", [0, 2, "1", None, True, "\x1b[31m", 10**300, {"a": 1}])
def test_another_version_is_named_on_one_short_line(version):
    body = json.dumps(real()[0]).encode()
    content = json.dumps({**header(body), "version": version}).encode() + b"\n" + body + b"\n"
    with pytest.raises(ValueError, match=r"^its version is .{1,100}, this Kafka Sentinel reads 1$"):
        state_file._decode(content)


def test_what_is_packed_into_a_little_is_unpacked_to_its_bound_alone(monkeypatch):
    monkeypatch.setattr(state_configmap, "MAX_PLAIN", 1_000)
    raw = as_config_map(real()[0])
    with pytest.raises(ValueError, match="damaged"):
        state_configmap._decode(raw)


# --- what else reads it


@pytest.mark.parametrize("command", [("report",), ("pause",), ("resume",)], ids=lambda words: words[0])
def test_commands_that_read_a_state_say_what_is_wrong_with_it(sentinel, tmp_path, command):
    path, value, words = EDITS["a number is a text"]
    (tmp_path / "state").write_bytes(content := as_file(edited(path, value)))
    (tmp_path / "sentinel.yaml").write_text(f"state: {{file: {tmp_path / 'state'}}}")
    code, _, err = sentinel(*command, "--config", tmp_path / "sentinel.yaml")
    assert code == 3
    assert words in err
    assert "Traceback" not in err
    assert (tmp_path / "state").read_bytes() == content


def test_the_file_is_the_one_that_a_sentinel_writes(tmp_path):
    """The control of all above: `as_file` is what `StateFile` writes."""
    file = StateFile(tmp_path / "state")
    file.save(real()[1])
    assert file.peek() == state_file._decode(as_file(real()[1]))
