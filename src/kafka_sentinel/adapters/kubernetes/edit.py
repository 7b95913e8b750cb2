"""Changes one life of an object by compare-and-swap: what others write meanwhile stays, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable

from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.resources import Resource

ATTEMPTS = 8  # at an object that others write too; a node changes every few seconds
NOT_FOUND, CONFLICT = "404", "409"

Change = Callable[[Json], Json]  # returns the object as it shall be, and leaves alone what it is given


def edit(api: Api, resource: Resource, name: str, uid: str, change: Change) -> bool:
    """Bring an object to what `change` makes of it; nothing is written where that is the case already.

    Returns False if there is none of that uid: it is gone, or another one has its name. An answer that was lost is made
    up for by looking again. Raises ApiError; then it may or may not have been done.
    """
    lost: ApiError | None = None  # the answer to a write
    for _ in range(ATTEMPTS):
        try:
            found = api.get(resource, name)
        except ApiError as error:
            if error.code == NOT_FOUND:
                return False
            raise lost or error from error
        if (found.get("metadata") or {}).get("uid") != uid:
            return False
        wanted = change(found)
        if wanted == found:
            return True
        try:
            api.replace(resource, name, wanted)
        except ApiError as error:
            if error.may_have_happened:
                lost = error
            elif error.code not in {NOT_FOUND, CONFLICT}:
                raise lost or error from error
        else:
            return True
    raise lost or ApiError(CONFLICT, "Conflict", f"{name} was changed by others each time we tried")
