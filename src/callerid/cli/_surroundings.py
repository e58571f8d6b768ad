"""Which of Google's products the program runs on, by the environment variables that are documented for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from callerid.cli._findings import CheckFinding

__all__ = ["is_production", "surroundings", "where"]

_KNOWN: Final = (
    # The first that fits: functions and App Engine run on what Cloud Run is made of, too.
    ("Cloud Run functions", ("FUNCTION_TARGET",)),
    ("Cloud Run job", ("CLOUD_RUN_JOB",)),
    ("App Engine", ("GAE_SERVICE",)),
    ("Cloud Run", ("K_SERVICE", "K_REVISION")),
    ("Kubernetes (such as GKE)", ("KUBERNETES_SERVICE_HOST",)),
)
"""Sources: Cloud Run, "Container runtime contract"; Cloud Run functions, "Configure environment variables"; App Engine,
"Python runtime environment"; Kubernetes, "Service" (environment variables)."""


def where(environ: Mapping[str, str]) -> tuple[str, str]:
    """The product, and the variable that says so; both empty where none does."""
    for name, variables in _KNOWN:
        if all(environ.get(variable) for variable in variables):
            return name, variables[0]
    return "", ""


def is_production(environ: Mapping[str, str]) -> bool:
    """Whether the program runs where others can call it: on any of these products."""
    return where(environ)[0] != ""


def surroundings(environ: Mapping[str, str]) -> CheckFinding:
    """Where the program runs."""
    name, variable = where(environ)
    if not name:
        return CheckFinding("environment", "fine", "none of Google's products: no variable of theirs is set")
    return CheckFinding("environment", "fine", f"{name} ({variable} is set)")
