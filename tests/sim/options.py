"""Swarm options: the seed decides which faults a world has, how often, and how Kafka and Sentinel are set up."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace

# Where little else goes wrong, the guards find little else to object to, and more is injected.
CALM = {
    "brokers": 3,
    "kill": 0.01,
    "pause": 0.01,
    "isolate": 0.01,
    "blackout": 0.0,
    "recreate": 0.0,
    "fatal": 0.0,
    "lost_response": 0.0,
    "held_request": 0.0,
    "wipe": 0.0,
    "lose_tail": 0.0,
    "save_fails": 0.0,
    "reader_stall": 0.0,
}

# What a profile changes in the options that a seed draws. "drawn" changes nothing.
PROFILES = {
    "drawn": {},
    # Retention takes records all the time, and Sentinel dies often and remembers all, something old, or nothing.
    "ageing": {
        "retention": 0.2,
        "death": 0.06,
        "state_after_death": "mixed",
        "held_request": 0.05,
        "lost_response": 0.1,
        "idempotent": False,
        "clock_step": 0.0,
    },
    # A second Sentinel, of another name, probes the same topics.
    "neighbours": {"second": "neighbour", "death": 0.03, "clock_step": 0.0},
    # A Lease decides between two processes of one name; the API server is silent and processes stand still for a while.
    "leased": {
        "second": "standby",
        "seconds": 90.0,
        "api_silence": 0.04,
        "freeze": 0.04,
        "death": 0.02,
        "checkpoint": 5.0,
        "clock_step": 0.0,
    },
    # A second Sentinel of the same name without a Lease, by mistake: neither is to take the other for an earlier life.
    "namesakes": {"second": "namesake", "death": 0.0, "recreate": 0.0, "clock_step": 0.0},
    # As leased; and the machines of both processes are suspended, so that their clocks stand still meanwhile.
    "suspended": {
        "second": "standby",
        "seconds": 90.0,
        "suspend": 0.03,
        "fleet_slow": 0.8,
        "api_silence": 0.01,
        "death": 0.01,
        **CALM,
        "checkpoint": 5.0,
        "clock_step": 0.0,
        "experiments": "armed",
    },
    # The quorum is of controllers of their own, which die, hang and are cut off; experiments are aimed at its leader.
    "quorum": {
        "quorum": "separate",
        "controllers": 3,
        "quorum_targets": True,
        "experiments": "armed",
        "seconds": 90.0,
        "controller_kill": 0.06,
        "controller_pause": 0.03,
        "controller_isolate": 0.03,
        "quorum_slow": 0.3,
        "quorum_voters": 0.03,
        "admin_silence": 0.05,
        "death": 0.01,
        "clock_step": 0.0,
        **CALM,
    },
    # Logs lose their beginnings by time, in whole segments and down to nothing, also by clocks that are wrong.
    "timed": {
        "retention_age": 6.0,
        "segment": 10,
        "retention_check": 0.5,
        "broker_clock": 0.02,
        "retention": 0.0,
        "death": 0.06,
        "state_after_death": "mixed",
        "held_request": 0.05,
        "clock_step": 0.02,
    },
    # Days and weeks, in which all but Sentinel is slow: a record every minute or two, brokers away for hours.
    # A calendar is judged as well: the budget of a day, blackouts, days of the report, self-tests (calendar.py).
    "weeks": {
        "second": "",
        "look": 60.0,
        "interval": 1.0,
        "batch": 1,
        "poll": 0.5,
        "reader_interval": 1.5,
        "reader_limit": 1000,
        "recheck_interval": 30.0,
        "recheck_chunk": 1000,
        "retention_age": 86_400.0,
        "segment": 100,
        "retention_check": 60.0,
        "broker_clock": 0.0,
        "clock_step": 0.0,
        "checkpoint": 5.0,
        "state_after_death": "last",
        "experiments": "armed",
    },
    # Readers lose their leader before they have read anything, so that they have no place yet, and often nobody says
    # where the log begins; Sentinel dies often, so that they begin often.
    "unplaced": {"reader_unplaced": 0.3, "reader_no_answer": 0.5, "death": 0.06, "state_after_death": "mixed"},
    # Brokers and Sentinel die often, and Sentinel comes back with a state that is a second old.
    "mortal": {"kill": 0.1, "death": 0.08, "state_after_death": "last", "checkpoint": 1.0, "clock_step": 0.0},
}

RATES = (
    *("kill", "pause", "isolate", "blackout", "retention", "recreate", "foreign", "other_sentinel", "marker"),
    *("reader_stall", "admin_silence", "engine_stall", "death", "fatal"),
    *("controller_kill", "controller_pause", "controller_isolate", "quorum_voters"),
)


@dataclass(frozen=True, slots=True)
class Options:
    """Rates are per second of the world, probabilities per occasion, durations in seconds. 0 switches a fault off."""

    seconds: float  # length of the safety phase
    brokers: int
    partitions: int
    acks: tuple[str, ...]
    min_isr: int
    idempotent: bool
    unclean: bool
    interval: float  # between two sends
    batch: int  # most records of one send
    poll: float  # between two polls of the producer
    latency: float  # longest network delay of a healthy request
    delivery_timeout: float
    socket_timeout: float
    session: float  # until the controller notices a dead broker
    replica_lag: float
    fetch_limit: int
    reader_interval: float
    reader_limit: int
    detects_truncation: bool
    mailbox_delay: float
    margin: int
    recheck_interval: float
    recheck_chunk: int
    give_up_margin: float
    checkpoint: float | None
    # faults
    kill: float
    wipe: float  # probability that a killed broker comes back with an empty disk
    lose_tail: float  # probability that it comes back without its newest records
    pause: float
    isolate: float
    blackout: float  # all brokers at once
    retention: float
    recreate: float
    foreign: float
    other_sentinel: float
    marker: float
    corrupt: float
    lost_response: float
    held_request: float  # probability that a copy of a request is held back and written much later
    no_offset: float  # probability of an acknowledgement without an offset
    reject: float
    fatal: float
    reader_stall: float
    reader_no_answer: float
    recheck_fails: float
    recheck_slow: float
    recheck_split: float  # probability that a recheck reads its range in two goes
    recheck_stale: float  # probability that it asks a broker that only believes to lead
    admin_silence: float
    clock_step: float
    engine_stall: float
    save_fails: float
    save_slow: float
    save_repeats: float
    death: float
    death_mid_step: float
    state_after_death: str  # "last", "older", "none" or "mixed"
    experiments: str  # "off", "dry_run" or "armed"
    # Not drawn: profiles set them.
    second: str = ""  # "neighbour", "namesake": one of another or of the same name; "standby": the Lease decides
    api_silence: float = 0.0
    freeze: float = 0.0
    suspend: float = 0.0
    fleet_slow: float = 0.0  # probability that the fleet does something else for seconds before it strikes
    # Drawn last, by a chance of their own: worlds in which these are off are as they were before there were any.
    quorum: str = ""  # who elects and counts in-sync replicas: "": somebody always does; "combined", "separate" KRaft
    controllers: int = 3  # voters of a quorum of their own
    quorum_targets: bool = False  # experiments are aimed at the leader of the quorum
    controller_kill: float = 0.0
    controller_pause: float = 0.0
    controller_isolate: float = 0.0
    quorum_slow: float = 0.0  # probability that an answer about the quorum takes seconds
    quorum_voters: float = 0.0  # one is removed, or added again
    retention_age: float = 0.0  # seconds that a record is kept, by its own timestamp and the broker's clock
    segment: int = 20  # offsets of one segment, of which only whole ones are deleted
    retention_check: float = 2.0  # seconds between two looks
    broker_clock: float = 0.0  # a broker's clock jumps
    former_start: float = 0.0  # probability that a log that went back is said to start where the former one did
    reader_unplaced: float = 0.0  # probability that a reader without a place yet loses its leader; profiles set it
    # Not drawn: `of` sets them.
    pace: float = 1.0  # seconds of all clocks, those of Sentinel too, in one second of the world
    look: float = 1.0  # seconds of the world between two looks at all figures

    @classmethod
    def draw(cls, rng):
        """Each fault is off in about half of the worlds, so that the others get room to interact."""

        def sometimes(low, high, chance=0.5):
            return round(rng.uniform(low, high), 4) if rng.random() < chance else 0.0

        brokers = rng.choice((1, 3, 3, 3, 4))
        interval = rng.choice((0.25, 0.5, 1.0))
        return cls(
            seconds=rng.choice((30.0, 60.0, 90.0)),
            brokers=brokers,
            partitions=rng.choice((1, 1, 2)),
            acks=rng.choice((("all",), ("1",), ("all", "1"))),
            min_isr=rng.choice((1, 2)) if brokers > 1 else 1,
            idempotent=rng.random() < 0.5,
            unclean=rng.random() < 0.4,
            interval=interval,
            batch=rng.choice((1, 3, 10)),
            poll=rng.choice((0.05, 0.2)),
            latency=rng.choice((0.02, interval / 4, interval)),
            delivery_timeout=rng.choice((3.0, 6.0, 10.0)),
            socket_timeout=rng.choice((1.0, 2.0)),
            session=rng.choice((1.0, 3.0)),
            replica_lag=rng.choice((1.0, 4.0)),
            fetch_limit=rng.choice((2, 20, 1000)),
            reader_interval=rng.choice((0.1, 0.5, 1.5)),
            reader_limit=rng.choice((5, 50, 1000)),
            detects_truncation=rng.random() < 0.5,
            mailbox_delay=rng.choice((0.0, 0.01, 0.3)),
            margin=rng.choice((0, 5, 100)),
            recheck_interval=rng.choice((0.5, 2.0, 5.0)),
            recheck_chunk=rng.choice((50, 1000, 100_000)),
            give_up_margin=rng.choice((3.0, 6.0)),
            checkpoint=rng.choice((1.0, 5.0, 5.0, None)),
            kill=sometimes(0.02, 0.15, 0.7),
            wipe=sometimes(0.05, 0.5, 0.3),
            lose_tail=sometimes(0.05, 0.6),
            pause=sometimes(0.01, 0.08, 0.4),
            isolate=sometimes(0.01, 0.08, 0.4),
            blackout=sometimes(0.01, 0.03, 0.2),
            retention=sometimes(0.02, 0.2, 0.3),
            recreate=sometimes(0.01, 0.03, 0.15),
            foreign=sometimes(0.05, 0.5, 0.3),
            other_sentinel=sometimes(0.05, 0.5, 0.2),
            marker=sometimes(0.05, 0.5, 0.3),
            corrupt=sometimes(0.005, 0.05, 0.3),
            lost_response=sometimes(0.01, 0.2),
            held_request=sometimes(0.005, 0.05, 0.4),
            no_offset=sometimes(0.01, 0.3, 0.3),
            reject=sometimes(0.005, 0.05, 0.3),
            fatal=sometimes(0.005, 0.02, 0.2),
            reader_stall=sometimes(0.01, 0.08, 0.3),
            reader_no_answer=sometimes(0.1, 0.7),
            recheck_fails=sometimes(0.05, 0.5),
            recheck_slow=sometimes(0.05, 0.5),
            recheck_split=sometimes(0.1, 0.6),
            recheck_stale=sometimes(0.2, 0.8),
            admin_silence=sometimes(0.01, 0.05, 0.3),
            clock_step=sometimes(0.01, 0.05, 0.2),
            engine_stall=sometimes(0.01, 0.05, 0.2),
            save_fails=sometimes(0.05, 0.4, 0.3),
            save_slow=sometimes(0.05, 0.4, 0.3),
            save_repeats=sometimes(0.05, 0.4, 0.3),
            death=sometimes(0.01, 0.06, 0.4),
            death_mid_step=rng.random() if rng.random() < 0.5 else 0.0,
            state_after_death=rng.choice(("last", "last", "older", "none", "mixed")),
            experiments=rng.choice(("off", "off", "dry_run", "armed")),
        )

    def with_later_ones(self, seed):
        """Draw those that came later by a chance of their own, so that they move nothing else."""
        rng = random.Random(f"later options of {seed}")

        def sometimes(low, high, chance=0.5):
            return round(rng.uniform(low, high), 4) if rng.random() < chance else 0.0

        kind = rng.choice(("", "", "", "combined", "separate"))
        aged = rng.random() < 0.25
        later = {
            "quorum": kind,
            "controllers": rng.choice((1, 3, 3, 5)),
            "quorum_targets": rng.random() < 0.5,
            "controller_kill": sometimes(0.01, 0.1, 0.7),
            "controller_pause": sometimes(0.01, 0.08),
            "controller_isolate": sometimes(0.01, 0.08),
            "quorum_slow": sometimes(0.1, 0.6),
            "retention_age": round(rng.uniform(5.0, 40.0), 1),
            "segment": rng.choice((3, 20, 100)),
            "retention_check": rng.choice((0.5, 2.0, 5.0)),
            "broker_clock": sometimes(0.01, 0.05, 0.3),
            "former_start": sometimes(0.1, 0.9),
            "quorum_voters": sometimes(0.01, 0.05, 0.3),
        }
        off = set() if kind == "separate" else {name for name in later if name.startswith("controller")}
        off |= set() if kind else {name for name in later if name.startswith("quorum")}
        off |= set() if aged else {"retention_age", "segment", "retention_check", "broker_clock"}
        return replace(self, **{name: value for name, value in later.items() if name not in off})

    @classmethod
    def changed(cls, seed, changes, *, later=True):
        """Return the options of `seed` with these changes; None without any: the world draws them itself.

        `later`: with what came later; without it, worlds that are known for something stay as they were.
        """
        drawn = cls.draw(random.Random(seed))
        return replace(drawn.with_later_ones(seed) if later else drawn, **changes) if changes else None

    @classmethod
    def of(cls, seed, profile):
        """Return the options of a world of that profile; None where the world draws them itself."""
        drawn = cls.changed(seed, PROFILES[profile])
        return drawn.slowed(seed) if profile == "weeks" else drawn

    def slowed(self, seed):
        """Return them for a long world: how long and slow it is and how seldom anything happens is drawn."""
        rng = random.Random(f"pace of {seed}")
        pace, share = rng.choice((40.0, 60.0, 120.0)), rng.choice((0.003, 0.01, 0.03, 0.1))
        rare = {name: getattr(self, name) * share for name in RATES}
        return replace(self, pace=pace, seconds=rng.choice((2_000.0, 4_000.0, 12_000.0)), **rare)

    def describe(self):
        """Return the options that are not off, one per line."""
        given = [(field.name, getattr(self, field.name)) for field in fields(self)]
        shown = [(name, value) for name, value in given if value not in (0, (), "") and name not in self._idle()]
        return "\n".join(f"  {name} = {value}" for name, value in shown)

    def _idle(self):
        """Return the names of options that say how a fault goes which is off."""
        idle = set() if self.quorum == "separate" else {"controllers"}
        return idle if self.retention_age else idle | {"segment", "retention_check"}
