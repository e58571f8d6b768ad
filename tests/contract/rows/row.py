"""One row of the table, and the words it is written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.contract.answers import Expected, Refused, Theirs
from tests.contract.sending import Sent

__all__ = [
    "ADA",
    "AMBIGUOUS",
    "CHAT",
    "CROSS_SITE",
    "FORBIDDEN",
    "MALFORMED",
    "NOT_FOUND",
    "REDIRECTED",
    "ROBOT",
    "SEVERAL",
    "STRANGER",
    "U1",
    "U1_OF_X1",
    "UNAVAILABLE",
    "VIA",
    "WRONG_METHOD",
    "Row",
    "bearer",
    "get",
    "invalid",
    "step_up",
]


@dataclass(frozen=True)
class Row:
    """A request and the answer it must get from every adapter.

    ``differs`` holds what some adapters rightly answer instead: by an adapter's name or by what it is (``routes``: it
    has routes to ask; ``paths``: it has paths alone; ``folding``: its interface folds header names). ``why`` is then
    one word, and the reason. ``served``: the row is sent to real servers, too.
    """

    name: str
    sent: Sent
    expected: Expected
    differs: Mapping[str, Expected] = field(default_factory=dict)
    why: str = ""
    served: bool = False

    def expected_of(self, name: str, kinds: frozenset[str]) -> Expected:
        """What this adapter answers; what is said of it by name goes first."""
        for kind in (name, *sorted(kinds)):
            if kind in self.differs:
                return self.differs[kind]
        return self.expected


def bearer(who: str, header: str = "Authorization") -> tuple[str, str]:
    """The header that carries a token."""
    return header, f"Bearer <{who}>"


def get(target: str, who: str | None = None, *headers: tuple[str, str], method: str = "GET", **more: Any) -> Sent:
    """A request of somebody; of nobody, if none is named."""
    own = () if who is None else (bearer(who),)
    return Sent(method, target, (*own, *headers), **more)


def invalid(reason: str) -> Refused:
    return Refused(401, reason, "invalid_token")


def step_up(max_age: int | None = None) -> Refused:
    return Refused(401, "step_up", "insufficient_user_authentication", max_age=max_age)


STRANGER: Final = Refused(401, "no_credential")
FORBIDDEN: Final = Refused(403, "not_allowed", "insufficient_scope")
SEVERAL: Final = Refused(400, "several_credentials", "invalid_request")
MALFORMED: Final = Refused(400, "malformed_header", "invalid_request")
AMBIGUOUS: Final = Refused(400, "ambiguous_path", challenged=False)
CROSS_SITE: Final = Refused(403, "cross_site", challenged=False)
UNAVAILABLE: Final = Refused(503, "keys_unavailable", challenged=False, retry_after=1)
NOT_FOUND: Final = Theirs((404,))
WRONG_METHOD: Final = Theirs((405,))
REDIRECTED: Final = Theirs((301, 307, 308))

ADA: Final = "user:ada@example.com"
ROBOT: Final = "serviceAccount:scheduler@shop-prod.iam.gserviceaccount.com"
CHAT: Final = "serviceAccount:chat@system.gserviceaccount.com"
U1: Final = "firebase:shop-prod/u1"
U1_OF_X1: Final = "firebase:shop-prod/acme-x1/u1"
VIA: Final = " via serviceAccount:gateway@shop-prod.iam.gserviceaccount.com"
"""What is written behind a caller whose call was carried."""
