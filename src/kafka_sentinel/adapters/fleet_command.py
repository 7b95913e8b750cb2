"""Breaks brokers, and ZooKeeper servers, on machines of their own by the user's own commands: the fault `command`.

Whether a command struck is not for it to say, nor for us: Kafka shows it (core/confirmation.py). A command is run once,
by the run whose intent was saved, and never again: neither when it failed nor in another life. What undoes it, if there
is anything, is run when the core says so, when Sentinel ends, and after a crash; so it may be run more than once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from kafka_sentinel.adapters.fleet import FaultInEffect, FleetWorker
from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post
from kafka_sentinel.adapters.program import NotStartedError, run
from kafka_sentinel.core.commandline import CommandLineError, fill
from kafka_sentinel.core.commands import Announce, Heal, Inject
from kafka_sentinel.core.events import Event, FaultCommanded
from kafka_sentinel.core.faults import INJECT_LIMIT, FaultKind

UNDO_ATTEMPTS = 3
UNDO_PAUSE = 5.0  # seconds between two of them


@dataclass(frozen=True, slots=True)
class Programs:
    """The commands of one experiment, word by word. `heal`: () where nothing is to be undone. `timeout`: of each."""

    command: tuple[str, ...]
    heal: tuple[str, ...]
    timeout: float


class CommandError(RuntimeError):
    """What was asked for was not done, or not certainly."""


class CommandFleet(FleetWorker):
    """`programs`: by experiment. `servers`: the ZooKeeper ensemble in its order. `secrets`: never to be repeated."""

    ERRORS: ClassVar = (CommandError, CommandLineError, NotStartedError)

    def __init__(
        self,
        programs: Mapping[str, Programs],
        *,
        servers: Sequence[str] = (),
        secrets: Sequence[str] = (),
        post: Post,
        now: Now,
        on_death: OnDeath,
        undo_pause: float = UNDO_PAUSE,
    ) -> None:
        super().__init__(post=post, now=now, on_death=on_death)
        self._programs = dict(programs)
        self._servers = tuple(servers)
        self._secrets = tuple(secrets)
        self._undo_pause = undo_pause
        self._problem = ""  # of the command that was run last

    def _patience(self) -> None:
        """Nothing is to be done between commands."""

    def _look_after(self) -> None:
        """Nothing is watched here: what becomes of the brokers, Kafka tells."""

    def _sweep(self) -> None:
        """What an earlier life left behind is in its state, or nowhere: a command leaves no mark of ours."""

    def _announce(self, command: Announce) -> None:
        raise CommandError(f'no notice can be given of the fault "{command.fault}"')

    def _refusal(self, command: Announce | Inject) -> str:
        if command.fault != FaultKind.COMMAND:
            return f'the fault "{command.fault}" is unknown to a fleet of commands; it can do {FaultKind.COMMAND}'
        if isinstance(command, Announce) or command.experiment not in self._programs:
            return "no command is configured for it"
        try:
            self._filled(self._programs[command.experiment].command, command)
        except (CommandError, CommandLineError) as error:
            return f"command: {error}"
        return ""

    def _strike(self, command: Inject) -> tuple[int, ...]:
        programs = self._programs[command.experiment]
        words = self._filled(programs.command, command)
        ended = run(words, programs.timeout, is_stopped=self._worker.stopping.is_set, secrets=self._secrets)
        self._problem = ended.problem
        return command.targets

    def _struck(self, command: Inject, hit: tuple[int, ...]) -> Event:
        del hit
        return FaultCommanded(self._now(), command.experiment_run, self._problem)

    def _held_for(self, command: Inject) -> float:
        """The core says when it is over, for it begins when Kafka shows it. This is for a core that does not."""
        return command.duration + command.confirm + INJECT_LIMIT

    # --- undoing

    def _undo(self, heal: Heal) -> None:
        if heal.experiment not in self._programs:
            raise CommandError(f"experiment {heal.experiment or '?'} is not configured any more, nor what undoes it")
        programs = self._programs[heal.experiment]
        if not programs.heal:
            return
        ended = run(
            self._filled(programs.heal, heal), programs.timeout, is_stopped=lambda: False, secrets=self._secrets
        )
        if ended.problem:
            raise CommandError(f"heal: {ended.problem}")

    def _pause(self, fault: FaultInEffect, error: Exception) -> float | None:
        """What is written wrongly does not get better; what failed may."""
        if not isinstance(error, CommandError) or fault.heal.experiment not in self._programs:
            return None
        return self._undo_pause if fault.attempts < UNDO_ATTEMPTS else None

    # --- words

    def _filled(self, words: Sequence[str], command: Inject | Heal) -> list[str]:
        """Return what is to be run for the one target of a command. Raises CommandError or CommandLineError."""
        if len(command.targets) > 1 or len(command.addresses) > 1 or not (command.targets or command.addresses):
            raise CommandError("a command is run for exactly one broker or ZooKeeper server")
        address = command.addresses[0] if command.addresses else ""
        host, _, port = address.rpartition(":")
        number = str(command.targets[0]) if command.targets else self._number(address)
        values = {"id": number, "host": host, "port": port}
        return fill(words, {**values, "experiment": command.experiment, "run": command.experiment_run})

    def _number(self, server: str) -> str:
        """Return which of the ensemble a server is, from 1."""
        return str(self._servers.index(server) + 1) if server in self._servers else ""
