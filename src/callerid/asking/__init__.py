"""Asking somebody, for all who wait: what keys that are fetched and credentials that are looked up have in common.

    policy          the settings by which something is asked for and cached
    plan            what to do about what is known of it, and what each event changes: pure
    crowd           how many callers may wait for an answer
    in_flight       one call for all who wait for it, in threads and in tasks
    running         functions run for a call: in few threads, or on an event loop
    entry           whom a store asks, and what is known of one answer
    health          how one source fares
    answers         a bounded store of answers, asked for by one call at a time

Each module imports only those before it. It knows neither keys nor credentials.
"""

from callerid.asking._answers import Answers
from callerid.asking._entry import AskError, Entry, Found, Source, SourceAnswer, SourceStatus
from callerid.asking._in_flight import InFlight, Wait
from callerid.asking._policy import AskPolicy
from callerid.asking._running import is_in_task

__all__ = [
    "Answers",
    "AskError",
    "AskPolicy",
    "Entry",
    "Found",
    "InFlight",
    "Source",
    "SourceAnswer",
    "SourceStatus",
    "Wait",
    "is_in_task",
]
