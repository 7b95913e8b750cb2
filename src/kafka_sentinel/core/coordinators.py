"""Which broker coordinates a consumer group or a transactional id: computed as Kafka does, so nothing need be asked.

The leader of partition `Utils.abs(id.hashCode) % partitions` of an internal topic is the coordinator. Sources: Kafka's
GroupCoordinatorService and TransactionStateManager (both `partitionFor`), and Utils.abs, which is Math.abs, except that
the smallest int gives 0: no mask of the sign bit.
"""

from __future__ import annotations

GROUPS_TOPIC = "__consumer_offsets"
TRANSACTIONS_TOPIC = "__transaction_state"

_MODULUS = 1 << 32
_LEAST = -(1 << 31)


def partition_for(name: str, partitions: int) -> int:
    """Return the partition that belongs to a group or transactional id. `partitions`: of the topic, at least 1."""
    hashed = java_hash(name)
    return (0 if hashed == _LEAST else abs(hashed)) % partitions


def java_hash(text: str) -> int:
    """Return what `String.hashCode` of Java does: a signed int of 32 bits over the units of UTF-16."""
    units = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        value = (31 * value + (high << 8 | low)) % _MODULUS
    return value - _MODULUS if value >= -_LEAST else value
