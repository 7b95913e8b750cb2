"""Swarm options: the seed decides which faults a world has, how often, and how Kafka and Sentinel are set up."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace

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
    # Brokers and Sentinel die often, and Sentinel comes back with a state that is a second old.
    "mortal": {"kill": 0.1, "death": 0.08, "state_after_death": "last", "checkpoint": 1.0, "clock_step": 0.0},
}


@dataclass(frozen=True, slots=True)
class Options:
    """Rates are per simulated second, probabilities per occasion, durations in seconds. 0 switches a fault off."""

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

    @classmethod
    def changed(cls, seed, changes):
        """Return the options of `seed` with these changes; None without any: the world draws them itself."""
        return replace(cls.draw(random.Random(seed)), **changes) if changes else None

    def describe(self):
        """Return the options that are not off, one per line."""
        return "\n".join(
            f"  {field.name} = {value}" for field in fields(self) if (value := getattr(self, field.name)) not in (0, ())
        )
