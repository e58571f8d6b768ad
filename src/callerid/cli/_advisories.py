"""Whether advisories are known of the versions that are installed, by pip-audit, where that is installed, too."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from callerid.cli._comparing import counted
from callerid.cli._findings import CheckFinding
from callerid.cli._frame import waiting
from callerid.errors import one_line

__all__ = ["advisories"]

_ASK: Final = ("-P", "-m", "pip_audit", "--format=json", "--progress-spinner=off")
"""``-P``: no module of the current folder stands for pip-audit."""

_SECONDS: Final = 120.0
_LONGEST: Final = 200
"""Characters of an error that are shown."""


def advisories() -> tuple[CheckFinding, ...]:
    """What pip-audit says of each package in this environment; it asks an advisory database over the network.

    Source: pip-audit, "Usage" (its format ``json``).
    """
    try:
        with waiting("advisories"):
            ended = subprocess.run(  # noqa: S603 - this interpreter, and arguments that nobody hands in
                [sys.executable, *_ASK], capture_output=True, text=True, check=False, timeout=_SECONDS
            )
    except subprocess.TimeoutExpired:
        return (_unknown(f"pip-audit did not end within {_SECONDS:g} s"),)
    try:
        # Its exit code is 1 where it found something, and where it failed.
        return _findings(json.loads(ended.stdout)["dependencies"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return (_unknown(_cause(ended.stderr)),)


def _cause(errors: str) -> str:
    if "No module named pip_audit" in errors:
        return "pip-audit is not installed here"
    last = errors.strip().rpartition("\n")[2] or "it printed nothing"
    return f"pip-audit failed: {one_line(last)[:_LONGEST]}"


def _findings(packages: Sequence[Mapping[str, Any]]) -> tuple[CheckFinding, ...]:
    known = [each for each in packages if "vulns" in each]
    found = tuple(_finding(each) for each in known if each["vulns"])
    if found:
        return found
    left = f"; it cannot tell of {counted(len(packages) - len(known), 'other')}" if len(known) < len(packages) else ""
    return (CheckFinding("advisories", "fine", f"pip-audit knows of none for {counted(len(known), 'package')}{left}"),)


def _finding(package: Mapping[str, Any]) -> CheckFinding:
    mended = [(each["id"], " and ".join(each["fix_versions"]) or "no version") for each in package["vulns"]]
    named = ", ".join(f"{name} (mended in {versions})" for name, versions in mended)
    return CheckFinding("advisories", "finding", f"{package['name']} {package['version']}: {named}", "upgrade it")


def _unknown(said: str) -> CheckFinding:
    remedy = "run pip-audit where the application's packages are installed, such as in CI"
    return CheckFinding("advisories", "unknown", f"{said}, so whether any are known cannot be told", remedy)
