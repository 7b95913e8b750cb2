"""What the oracles raise, and what kinds of failure there are."""

from __future__ import annotations


class SimulationError(Exception):
    """Sentinel did something that the oracle refutes. `exit_code` tells the kinds apart."""

    exit_code = 1


class CrashError(SimulationError):
    """The engine raised, or counted an invariant violation of its own."""

    exit_code = 10


class FalseVerdictError(SimulationError):
    """It said of a record what is not true."""

    exit_code = 11


class IdentityError(SimulationError):
    """Its figures do not add up, or differ from the truth."""

    exit_code = 12


class InjectionError(SimulationError):
    """It broke something when it should not have."""

    exit_code = 13


class StuckError(SimulationError):
    """Everything is healed, and something does not settle."""

    exit_code = 14


class InexactError(SimulationError):
    """It settled, on figures that are not exact."""

    exit_code = 15


class BoundError(SimulationError):
    """It keeps more than its bounds allow."""

    exit_code = 16
