"""The one error of this package."""

from __future__ import annotations


class DeployError(Exception):
    """Something that the tests deploy could not be made or did not come up. The message names it."""
