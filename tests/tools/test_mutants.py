"""The tool that makes the core wrong: what it makes, what it does with what comes of it, and its list."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest
from tools.mutants import places
from tools.mutants.accepted import Equivalent, equivalents, rotten
from tools.mutants.forks import OUT_OF_TIME, end_after, forked
from tools.mutants.places import Source, modules
from tools.mutants.reach import Reach, what_it_rests_on
from tools.mutants.session import Kept
from tools.mutants.trial import code_of

BODY = '''
BOUND = 10


class Thing:
    size: int = 3

    def take(self, count: int = 1, *, fresh: bool = True) -> int:
        """Words of no weight."""
        assert count >= 0, f"{count - 1} is too few"
        if count > 2 and fresh:
            self.note(count)
            return min(count, BOUND)
        for each in range(count):
            if not each:
                continue
        match count:
            case 0 if fresh:
                count += 1
            case _ if fresh:
                pass
            case _:
                count = 2
        return count - 1
'''


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "CORE", tmp_path)
    (tmp_path / "thing.py").write_text(BODY)
    return Source("thing")


def test_a_function_is_made_wrong_in_each_of_these_ways_and_in_no_other(source):
    assert {(mutant.was, mutant.now) for mutant in source.mutants} == {
        ("if count > 2 and fresh:", "if count > 2:"),
        ("if count > 2 and fresh:", "if fresh:"),
        ("if count > 2 and fresh:", "if True:"),
        ("if count > 2 and fresh:", "if False:"),
        ("if count > 2 and fresh:", "if count >= 2 and fresh:"),
        ("if count > 2 and fresh:", "if count > 3 and fresh:"),
        ("self.note(count)", "pass"),
        ("return min(count, BOUND)", "return None"),
        ("return min(count, BOUND)", "return max(count, BOUND)"),
        ("if not each:", "if True:"),
        ("if not each:", "if False:"),
        ("continue", "pass"),
        ("case 0 if fresh:", "case 0 if False:"),
        ("case 0 if fresh:", "case 0:"),
        ("case _ if fresh:", "case _ if False:"),
        ("count += 1", "pass"),
        ("count += 1", "count = 1"),
        ("count += 1", "count -= 1"),
        ("count += 1", "count += 2"),
        ("count = 2", "count = 3"),
        ("return count - 1", "return None"),
        ("return count - 1", "return count + 1"),
        ("return count - 1", "return count - 2"),
    }


def test_a_mutant_differs_from_the_module_by_what_it_says_and_leaves_it_as_it_was(source):
    plain = ast.unparse(ast.parse(BODY))
    for mutant in source.mutants:
        source.compiled(mutant)
        assert ast.unparse(source._tree) == plain
    (harmless,) = [mutant for mutant in source.mutants if mutant.now == "return count + 1"]

    def take(count):
        pass

    take.__code__ = code_of(source.compiled(harmless), "Thing.take")
    assert take(SimpleNamespace(note=None), 1, fresh=False) == 3


def test_a_mutant_keeps_its_name_when_lines_move_and_no_two_have_the_same(source):
    before = [mutant.name for mutant in source.mutants]
    source.path.write_text("\n\n" + BODY)
    assert [mutant.name for mutant in Source("thing").mutants] == before
    assert len(before) == len(set(before))


def test_a_fork_tells_what_came_of_it_and_one_that_runs_for_ever_is_ended():
    def for_ever():
        end_after(0.1)
        while True:
            pass

    assert forked(sum, [1, 2]) == 3
    assert forked(for_ever) == OUT_OF_TIME
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        forked(divmod, 1, 0)


def test_what_came_of_a_mutant_is_forgotten_with_what_it_rests_on_and_not_before(source, tmp_path):
    killed, survived = source.mutants[:2]
    killer, tried = tmp_path / "test_killer.py", tmp_path / "test_tried.py"
    killer.write_text("")
    tried.write_text("")
    tests = [f"{killer}::test_it", f"{tried}::test_it"]

    def known():
        kept = Kept(tmp_path / "results.jsonl")
        return kept.get(source, killed, tests), kept.get(source, survived, tests)

    kept = Kept(tmp_path / "results.jsonl")
    kept.put(source, killed, tests[0], tests)
    kept.put(source, survived, None, tests)
    assert known() == ((True, tests[0]), (True, None))
    (tmp_path / "test_other.py").write_text("")
    (tmp_path / "other.py").write_text("")
    assert known() == ((True, tests[0]), (True, None))
    tests.append(f"{tried}::test_another")
    assert known() == ((True, tests[0]), (False, None))
    tests.pop()
    tried.write_text("changed = True")
    assert known() == ((True, tests[0]), (False, None))
    killer.write_text("changed = True")
    assert known() == ((False, None), (False, None))
    assert Kept(tmp_path / "results.jsonl").killer(killed, tests) == tests[:1]  # tried first
    assert Kept(tmp_path / "results.jsonl").killer(killed, tests[1:]) == []


def test_what_tests_reach_is_taken_anew_where_they_or_what_they_ran_has_changed_and_nowhere_else(source, tmp_path):
    test = tmp_path / "test_thing.py"
    test.write_text("")
    (tmp_path / "other.py").write_text("")
    before = what_it_rests_on(str(test), ["thing"])
    (tmp_path / "other.py").write_text("changed = True")
    assert what_it_rests_on(str(test), ["thing"]) == before
    for path in (test, source.path):
        path.write_text(path.read_text() + "\nchanged = True\n")
        before, after = what_it_rests_on(str(test), ["thing"]), before
        assert before != after


def test_the_tests_of_a_module_come_first_and_then_the_quick_ones(tmp_path):
    reach = Reach(tmp_path)
    own, quick, slow, elsewhere = "core/test_thing.py::a", "core/test_b.py::b", "core/test_b.py::c", "core/test_b.py::d"
    reach.seconds = {own: 0.5, quick: 0.1, slow: 0.2, elsewhere: 0.0}
    reach.tests = {"kubernetes/thing": {7: {slow, own}, 8: {quick}, 9: {elsewhere}}}
    assert reach.of("kubernetes/thing", range(7, 9)) == [own, quick, slow]


def test_an_entry_that_matches_no_mutant_is_rotten_and_one_without_a_reason_is_refused(source, tmp_path):
    first = source.mutants[0]
    good = Equivalent("thing", first.where, first.was, first.now, "because")
    gone = Equivalent("thing", first.where, first.was, "if count > 4 and fresh:", "because")
    elsewhere = Equivalent("other", first.where, first.was, first.now, "because")
    assert rotten([good, gone, elsewhere], source.mutants, ["thing"]) == [gone]
    listed = tmp_path / "equivalent.toml"
    listed.write_text('[[equivalent]]\nmodule = "a"\nwhere = "b"\nwas = "c"\nnow = "d"\nreason = " "\n')
    with pytest.raises(ValueError, match="none empty"):
        equivalents(listed)


def test_no_entry_of_the_list_is_rotten_or_of_a_module_that_is_not_there():
    entries = equivalents()
    listed = {entry.module for entry in entries}
    assert listed <= set(modules())
    assert rotten(entries, [mutant for module in sorted(listed) for mutant in Source(module).mutants], listed) == []
