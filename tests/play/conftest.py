from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from starlette.testclient import TestClient

from callerid.play._session import Playground

from .made import page_of, shop, suite


@dataclass
class Played:
    """The shop, its page, and what its handlers did."""

    ground: Playground
    page: TestClient
    ran: list[str] = field(default_factory=list)

    def cell(self, who: str, route: str) -> str:
        """The address of the details of a cell."""
        key = next(each.key for each in self.ground.people if each.name == who)
        return f"/cell?who={key}&route={route.replace(' ', '%20')}&p.user_id=ada"


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    ran: list[str] = []
    with page_of(shop(ran), suite=suite()) as (ground, page):
        yield Played(ground, page, ran)
