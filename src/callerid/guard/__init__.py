"""The way of a request: slots, tokens, keys, claims, rules; a `Caller` or a refusal.

    requirement · flow          what a place asks; what may have to wait, and what drives it
    credentials · trusted ← recogniser    from what was sent to verified callers
    records ← core              the decision and its record: the guard

Each module imports only what stands before it.
"""

from callerid.guard.core import Guard, GuardCore
from callerid.guard.flow import Flow, arun, at_once, run
from callerid.guard.recogniser import Identity
from callerid.guard.records import log
from callerid.guard.requirement import Requirement, combined

__all__ = ["Flow", "Guard", "GuardCore", "Identity", "Requirement", "arun", "at_once", "combined", "log", "run"]
