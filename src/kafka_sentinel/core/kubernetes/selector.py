"""Label selectors as Kubernetes evaluates them (kubernetes/apimachinery, pkg/labels)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True)
class Requirement:
    key: str
    operator: str  # one of OPERATORS
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values  # an absent label is not among them
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class Selector:
    """All labels and all requirements must match. Without any, it matches everything."""

    labels: Mapping[str, str]
    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        exact = all(labels.get(key) == value for key, value in self.labels.items())
        return exact and all(requirement.matches(labels) for requirement in self.requirements)
