"""A command as people write it: no shell, known placeholders only, and nothing that a broker says becomes an option."""

from __future__ import annotations

import pytest

from kafka_sentinel.core.commandline import MAX_VALUE, MAX_WORD, MAX_WORDS, CommandLineError, check, fill

VALUES = {
    "id": "2",
    "host": "broker-2.example.com",
    "port": "9092",
    "run": "kill-20270101T000000",
    "experiment": "kill",
}


def test_placeholders_are_filled_in_wherever_they_stand_and_nothing_else_is_touched():
    words = ["ssh", "root@{host}", "kill {id} {{x}} $HOME; rm -rf *", "{id}{port}", "{experiment}/{run}"]
    check(words)
    assert fill(words, VALUES) == [
        "ssh",
        "root@broker-2.example.com",
        "kill 2 {x} $HOME; rm -rf *",
        "29092",
        "kill/kill-20270101T000000",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "it has 0 words; allowed is a list of 1 to 64 words"),
        (["a"] * (MAX_WORDS + 1), "it has 65 words"),
        (["a", "b" * (MAX_WORD + 1)], "each at most 1000 characters"),
        (["ssh", "broker-{name}"], "word 1 has the placeholder {name}; allowed are {id}, {host}, {port}"),
        (["ssh", "broker-{}"], "word 1 has the placeholder {}; allowed"),
        (["ssh", "broker-{id!r}"], "word 1 has the placeholder {id}"),
        (["ssh", "broker-{id:>20}"], "word 1 has the placeholder {id}"),
        (["ssh", "broker-{id.__class__}"], "word 1 has the placeholder {id.__class__}"),
        (["ssh", "broker-{id"], "word 1 has a single brace"),
        (["ssh", "a}b"], "word 1 has a single brace"),
        (["{host}", "stop"], "word 0 is no name of a program"),
        ([" ", "stop"], "word 0 is no name of a program"),
        (["stop", "a\0b"], "word 1 is no word"),
    ],
)
def test_what_is_no_command_is_said_in_a_sentence(words, said):
    with pytest.raises(CommandLineError) as caught:
        check(words)
    assert said in str(caught.value)


@pytest.mark.parametrize("host", ["-oProxyCommand=touch x", "a b", "a;b", "$(x)", "a\nb", "a/b", "{id}"])
def test_what_a_broker_calls_itself_never_becomes_an_option_or_a_phrase(host):
    with pytest.raises(CommandLineError, match="no plain name or number"):
        fill(["ssh", "{host}"], {**VALUES, "host": host})


def test_what_is_not_known_is_not_made_up_and_not_asked_for_where_it_is_not_used():
    with pytest.raises(CommandLineError, match=r"\{port\} is not known"):
        fill(["ssh", "{host}:{port}"], {**VALUES, "port": ""})
    assert fill(["ssh", "{host}"], {"host": "b"}) == ["ssh", "b"]


def test_bounds_are_met():
    check(["a"])
    check(["a"] * MAX_WORDS)
    check(["a", "b" * MAX_WORD])
    assert fill(["{host}"], {"host": "h" * MAX_VALUE}) == ["h" * MAX_VALUE]
    with pytest.raises(CommandLineError, match="no plain name or number"):
        fill(["{host}"], {"host": "h" * (MAX_VALUE + 1)})


def test_of_several_that_are_not_known_the_first_by_name_is_said():
    for words in (["{run}{port}{id}{host}{experiment}"], ["{port}", "{experiment}", "{id}"]):
        with pytest.raises(CommandLineError, match=r"\{experiment\} is not known"):
            fill(words, {})
