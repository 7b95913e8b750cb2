"""`python -m tests.sim.said SEED`: prints a digest of all that the engines of a world say, in order."""

from __future__ import annotations

import hashlib
import sys

from tests.sim.runner import simulate

from kafka_sentinel.core.engine import Engine


def digest(seed):
    """Run the world of `seed` in this process, whose engines are listened to from now on."""
    said, step = hashlib.sha256(), Engine.step

    def listen(engine, event):
        commands = step(engine, event)
        for command in commands:
            said.update(repr(command).encode())
        return commands

    Engine.step = listen
    simulate(seed)
    return said.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(digest(int(sys.argv[1])))
