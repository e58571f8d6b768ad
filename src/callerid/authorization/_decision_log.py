"""The log record of a decision: its fields, and a message."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping

from callerid.authentication import Identity
from callerid.authorization._remedies import nearest, remedies
from callerid.authorization._requirement import Requirement
from callerid.errors import Refusal, Unavailable, one_line, pointed

__all__ = ["log", "record"]

log = logging.getLogger("callerid")


def record(
    route: str,
    requirement: Requirement | None,
    identity: Identity | None,
    refusal: Refusal | None = None,
    said: Mapping[str, str] | None = None,
) -> str:
    """Log a decision, once: refused at INFO (503 at WARNING), allowed at DEBUG.

    Returns the decision's ``instance``, empty where nothing was logged. The record carries its fields, all of them text
    or ``None``, as ``record.callerid``. ``said`` are fields of a shadow or waived decision, logged at INFO at least.
    """
    level = _level(refusal) if said is None else max(_level(refusal), logging.INFO)
    if refusal is None and not log.isEnabledFor(level):
        return ""
    instance = f"urn:uuid:{uuid.uuid4()}"
    if log.isEnabledFor(level):
        fields = {**_fields(route, requirement, identity or Identity(), refusal, instance), **_reasons(refusal)}
        fields.update(said or {})
        log.log(level, "%s", _sentence(fields), extra={"callerid": fields})
    return instance


def _level(refusal: Refusal | None) -> int:
    if refusal is None:
        return logging.DEBUG
    return logging.WARNING if isinstance(refusal, Unavailable) else logging.INFO


def _fields(
    route: str, requirement: Requirement | None, identity: Identity, refusal: Refusal | None, instance: str
) -> dict[str, str | None]:
    caller, via = identity.caller, identity.via
    said: dict[str, str | None] = {
        "outcome": "allowed" if refusal is None else "refused",
        "status": None if refusal is None else str(refusal.status),
        "reason": None if refusal is None else str(refusal.reason),
        "caller": None if caller is None else str(caller),
        "subject": None if caller is None else caller.subject,
        "issuer": None if caller is None else caller.issuer,
        "via": None if via is None else str(via),
        "app": identity.app,
        "rule": None if requirement is None else str(requirement.rule),
        "route": route,
        "detail": None if refusal is None else refusal.detail,
        "remedy": None if refusal is None else refusal.remedy,
        "instance": instance,
    }
    return {name: None if value is None else one_line(value) for name, value in said.items()}


def _reasons(refusal: Refusal | None) -> dict[str, str | None]:
    """Why, as a tree for each rule that refused, and what would have let the caller in: a line each."""
    if refusal is None:
        return {"why": None, "nearest": None, "remedies": None}
    refusals = (refusal, *refusal.also)
    return {
        "why": "\n".join(each.why for each in refusals if each.why),
        "nearest": one_line(nearest(refusals)),
        "remedies": "\n".join(map(one_line, remedies(refusals))),
    }


def _sentence(fields: dict[str, str | None]) -> str:
    if fields["outcome"] == "allowed":
        audited = f" [{fields['instance']}]" if "facts" in fields else ""
        return f"allowed {fields['route']}: {fields['caller'] or 'no caller'} by {fields['rule']}{audited}"
    # The record of a shadow decision also has the live one.
    head = f"{fields['outcome']} {fields['route']}" + (f" (live: {fields['live']})" if "live" in fields else "")
    if fields["status"] is None:
        return f"{head}: {fields['caller'] or 'no caller'} by {fields['rule']} [{fields['instance']}]"
    detail = f": {fields['detail']}" if fields["detail"] else ""
    remedy = f"; remedy: {fields['remedy']}" if fields["remedy"] else ""
    more = pointed("", fields["reason"] or "")
    return f"{head}: {fields['status']} {fields['reason']}{detail}{remedy}{more} [{fields['instance']}]"
