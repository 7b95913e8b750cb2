"""Experiments: which faults, when, and what must hold before one is allowed."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kafka_sentinel.core import commandline
from kafka_sentinel.core import schedule as schedules
from kafka_sentinel.core.faults import FAULTS, MAX_LOAD, MAX_NOTICE, FaultKind, Reach
from kafka_sentinel.core.guard_input import MAX_DAILY_BUDGET, ExperimentSpec, GuardSettings
from kafka_sentinel.core.targets import ALLOWED as ALLOWED_TARGETS
from kafka_sentinel.core.targets import misfit, parse_target
from kafka_sentinel.settings.base import Duration, Section, Words
from kafka_sentinel.settings.fleet import FleetKind, MskSettings

EXPERIMENT_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
COMMAND_TIMEOUT = 30.0  # seconds, unless the experiment says otherwise


def _name(value: str) -> str:
    if not EXPERIMENT_NAME.fullmatch(value):
        raise ValueError("not a name")
    return value


def _target(value: str) -> str:
    return str(parse_target(value))


def _cron(value: str) -> str:
    schedules.parse_schedule(cron=value)
    return value


def _every(value: object) -> object:
    text = f"{value}s" if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str):
        schedules.parse_schedule(every=text)
    return text


def _zone(value: str) -> str:
    schedules.parse_zone(value)
    return value


def _command(words: list[str]) -> list[str]:
    commandline.check(words)
    return words


Name = Annotated[str, AfterValidator(_name), Words("1 to 63 of the characters a-z 0-9 - (not first or last)")]
Target = Annotated[str, AfterValidator(_target), Words(ALLOWED_TARGETS)]
Cron = Annotated[str, AfterValidator(_cron), Words('a cron line with weekday names, as "0 10 * * mon-fri"')]
Every = Annotated[str, BeforeValidator(_every), Words('an interval from "1s" to "366d"')]
Zone = Annotated[str, AfterValidator(_zone), Words('a time zone, as "UTC" or "Europe/Berlin"')]
ClockTime = Annotated[str, Words('a time of day, "00:00" to "24:00"')]
Day = Annotated[str, Words('a weekday ("sat") or a range of them ("mon-fri")')]
CommandLine = Annotated[list[str], AfterValidator(_command), Words(commandline.ALLOWED)]
Date = Annotated[str, Words('a date ("2026-12-24") or a range of them ("2026-12-24..2027-01-06")')]


class Blackout(Section):
    """A window in which no experiment starts. With neither `days` nor `dates` it comes every day."""

    days: list[Day] = Field(default=[], max_length=7, description="Weekdays on which it begins.")
    dates: list[Date] = Field(default=[], max_length=366, description="Dates on which it begins; instead of `days`.")
    start: ClockTime = Field(default="00:00", alias="from", description="Time of day at which it begins.")
    end: ClockTime = Field(
        default="24:00", alias="to", description="Time of day at which it ends; not after `from`: on the next day."
    )
    zone: Zone = Field(default="UTC", description="Time zone of the times and dates.")

    @model_validator(mode="after")
    def _is_a_window(self) -> Blackout:
        self.window()
        return self

    def window(self) -> schedules.Blackout:
        return schedules.parse_blackout(
            days=tuple(self.days), dates=tuple(self.dates), start=self.start, end=self.end, zone=self.zone
        )


class Experiment(Section):
    """One fault, done again and again: at the times of `schedule`, or `every` so often."""

    name: Name = Field(description="Its name: a metric label, so keep it stable.")
    fault: FaultKind = Field(description="What is done to the target: see docs/experiments.md.")
    target: Target = Field(
        default="any",
        description="Whom: any live broker, one by its id, one of a node pool or a zone, the leader of a probe "
        "partition, the KRaft controller, a coordinator, a ZooKeeper pod or server, an entity operator pod. "
        "For `rolling-restart`: `all`.",
    )
    schedule: Cron | None = Field(default=None, description="When, by the clock of `zone`.")
    every: Every | None = Field(default=None, description="How often, instead of `schedule`.")
    zone: Zone = Field(default="UTC", description="Time zone of `schedule`.")
    duration: Annotated[float, Duration(0.1, 14_400)] | None = Field(
        default=None, description="How long the fault is held before it is undone. Null: as docs/experiments.md says."
    )
    notice: Annotated[float, Duration(0, MAX_NOTICE)] | None = Field(
        default=None, description="For `node-reclaim`: from the notice until the pods must be gone. Null: 2m."
    )
    drain: Annotated[float, Duration(0, MAX_NOTICE)] = Field(
        default=0.0,
        description="For `node-reclaim`: the last part of the notice, in which the pods may end in good order.",
    )
    command: CommandLine | None = Field(
        default=None,
        description="For `command`: the program and its arguments, each a word of the list; no shell reads them. "
        "Put no secret into it: docs/experiments.md.",
    )
    heal: CommandLine | None = Field(
        default=None, description="For `command`: what undoes it, after `duration`. It may be run more than once."
    )
    timeout: Annotated[float, Duration(1, 300)] | None = Field(
        default=None, description="For `command`: when it, or `heal`, is ended with all it started. Null: 30s."
    )
    confirm: Annotated[float, Duration(1, 1800)] | None = Field(
        default=None,
        description="For `command` and `msk-reboot`: how long Kafka has, after what was asked for was done, to show "
        "that the broker went. Null: 1m and 15m.",
    )
    load: int | None = Field(
        default=None,
        ge=1,
        le=MAX_LOAD,
        description="Probe records per second while it runs, over all partitions together. Null: as many as ever.",
    )
    grace: Annotated[float, Duration(1, 86400)] = Field(
        default=60.0, description="How long a run that is due waits for the guards before it is skipped."
    )
    jitter: Annotated[float, Duration(0, 86400)] = Field(
        default=0.0, description="Each run starts up to this much later: always the same for the same name and time."
    )
    allow_unavailability: bool = Field(
        default=False,
        description="Allow it to go below min.insync.replicas; never to lose the last in-sync replica or the quorum.",
    )

    @model_validator(mode="after")
    def _comes_due(self) -> Experiment:
        if (self.schedule is None) == (self.every is None):
            raise ValueError("needs exactly one of `schedule` (a cron line) and `every` (an interval, as 10m)")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Experiment:
        if wrong := misfit(self.fault, parse_target(self.target)):
            raise ValueError(wrong)
        return self

    @model_validator(mode="after")
    def _gives_notice(self) -> Experiment:
        given = "notice" if self.notice is not None else "drain" if self.drain else ""
        if given and not FAULTS[self.fault].announced:
            raise ValueError(f"{given} is for the fault {FaultKind.NODE_RECLAIM}, found {self.fault}")
        if self.drain > self._notice:
            raise ValueError(f"drain is {self.drain:g} s, longer than the notice of {self._notice:g} s it is a part of")
        return self

    @model_validator(mode="after")
    def _has_its_command(self) -> Experiment:
        is_command, confirms = self.fault is FaultKind.COMMAND, FAULTS[self.fault].confirm > 0
        if is_command and self.command is None:
            raise ValueError("fault command needs `command`, the program to run with its arguments, as a list")
        foreign = [] if is_command else [name for name in ("command", "heal", "timeout") if getattr(self, name)]
        foreign += ["confirm"] if self.confirm is not None and not confirms else []
        if foreign:
            whose = "command" if foreign != ["confirm"] else f"{FaultKind.COMMAND} or {FaultKind.MSK_REBOOT}"
            raise ValueError(f"{', '.join(foreign)} is for the fault {whose}, found {self.fault}")
        return self

    @property
    def runs_for(self) -> float:
        """Seconds that a command of it may take."""
        return COMMAND_TIMEOUT if self.timeout is None else self.timeout

    @property
    def _notice(self) -> float:
        return FAULTS[self.fault].notice if self.notice is None else self.notice

    def spec(self) -> ExperimentSpec:
        """Return the experiment in the core's words."""
        return ExperimentSpec(
            name=self.name,
            fault=self.fault,
            target=parse_target(self.target),
            schedule=schedules.parse_schedule(cron=self.schedule, every=self.every, zone=self.zone),
            duration=FAULTS[self.fault].duration if self.duration is None else self.duration,
            notice=self._notice,
            drain=self.drain,
            load=self.load,
            grace=self.grace,
            jitter=self.jitter,
            allow_unavailability=self.allow_unavailability,
            timeout=self.runs_for if FAULTS[self.fault].reach is Reach.COMMAND else 0.0,
            confirm=FAULTS[self.fault].confirm if self.confirm is None else self.confirm,
        )


class ExperimentSettings(Section):
    """Faults injected on purpose. Nothing is ever broken unless `armed_for` is set and `dry_run` is off."""

    armed_for: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Kafka cluster id that experiments may be run against. Null, or another cluster: never.",
    )
    fleet: FleetKind = Field(
        default="auto",
        description="What breaks brokers: the API server of Kubernetes, Amazon MSK, your own commands, or nothing "
        "(probe only). `auto`: Kubernetes where kubernetes.enabled is on, else nothing.",
    )
    msk: MskSettings = MskSettings()
    dry_run: bool = Field(default=True, description="Judge every guard and say what would be done, but do nothing.")
    warm_up: Annotated[float, Duration(0, 86400)] = Field(
        default=300.0, description="No experiment in the first part of Sentinel's life."
    )
    min_gap: Annotated[float, Duration(0, 30 * 86400)] = Field(
        default=3600.0, description="Shortest time between the end of one experiment and the start of the next."
    )
    daily_budget: int = Field(
        default=4,
        ge=0,
        le=MAX_DAILY_BUDGET,
        description="Brokers that may be lost in 24 hours, by experiments and of themselves together.",
    )
    steady: Annotated[float, Duration(0, 86400)] = Field(
        default=60.0, description="How long everything must have been well just before an experiment."
    )
    min_pod_age: Annotated[float, Duration(0, 86400)] = Field(
        default=300.0, description="Age from which a pod may be hit, on Kubernetes."
    )
    blackouts: list[Blackout] = Field(default=[], max_length=50, description="Windows in which no experiment starts.")
    accept_unavailable: list[str] = Field(
        default=[],
        max_length=100,
        description="Topics (patterns with * and ?) that may become unavailable: they cannot survive a lost broker.",
    )
    items: list[Experiment] = Field(default=[], max_length=50, description="The experiments.")

    @model_validator(mode="after")
    def _names_are_unique(self) -> ExperimentSettings:
        names = [item.name for item in self.items]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two items have the same name: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _names_its_cluster(self) -> ExperimentSettings:
        if self.fleet == "msk" and self.msk.cluster_arn is None:
            raise ValueError("fleet msk needs msk.cluster_arn, the ARN of the cluster")
        if self.fleet != "msk" and self.msk != MskSettings():
            raise ValueError(f"msk is for fleet msk, found {self.fleet}")
        return self

    @property
    def may_be_done(self) -> frozenset[FaultKind]:
        """The faults that may really be done: none before experiments are armed, and none of a rehearsal."""
        if self.armed_for is None or self.dry_run:
            return frozenset()
        return frozenset(item.fault for item in self.items)

    def guards(self) -> GuardSettings:
        """Return what the guards go by."""
        return GuardSettings(
            armed_for=self.armed_for,
            dry_run=self.dry_run,
            min_gap=self.min_gap,
            daily_budget=self.daily_budget,
            warm_up=self.warm_up,
            steady=self.steady,
            min_pod_age=self.min_pod_age,
            accept_unavailable=tuple(self.accept_unavailable),
            blackouts=tuple(blackout.window() for blackout in self.blackouts),
        )
