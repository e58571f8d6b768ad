"""The table: who calls down the side, routes across the top, what came of it in each cell. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final
from urllib.parse import urlencode

from callerid.play._comparing import LockComparison, RouteChange, Shift
from callerid.play._markup import Html, Node, element, posted
from callerid.play._outcomes import MEANINGS, SIGNS, CellState
from callerid.play._people import PlayPersona
from callerid.play._routes import PlayRoute
from callerid.play._session import PlayCell

__all__ = ["SAMPLE", "Shown", "cell_link", "legend", "matrix", "method_badge", "path_words", "query_of"]

SAMPLE: Final = "p."
"""What the name of a sample value begins with in a query."""

_SHIFTS: Final = {Shift.GAINS: ("▲", "gains"), Shift.LOSES: ("▼", "loses"), Shift.UNKNOWN: ("◆", "cannot tell")}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows: the cells, with which sample values and filter; ``problems`` are those of its forms."""

    rows: Sequence[Sequence[PlayCell]]
    samples: Mapping[str, str]
    csrf: str
    find: str = ""
    problems: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def pending(self) -> int:
        """How many calls are still to be made."""
        return sum(cell.outcome.state is CellState.PENDING for row in self.rows for cell in row)


def query_of(samples: Mapping[str, str], **more: str) -> str:
    """A query with these sample values."""
    return urlencode({**more, **{f"{SAMPLE}{name}": value for name, value in samples.items()}})


def matrix(shown: Shown, before: LockComparison | None) -> Html:
    """The whole table."""
    routes = [cell.route for cell in shown.rows[0]]
    if not routes:
        return element("p", "No route matches the filter.", class_="empty")
    table = element(
        "table",
        element("caption", "What each caller is answered at each route", class_="unseen"),
        _head(routes, before),
        element("tbody", (_row(row, shown) for row in shown.rows)),
        id="matrix",
        data_pending=str(shown.pending),
    )
    return element("div", table, class_="scroller", id="scroller")


def _head(routes: Sequence[PlayRoute], before: LockComparison | None) -> Html:
    groups = [(group, len(list(own))) for group, own in groupby(routes, lambda route: route.group)]
    corner = element("th", "Caller", scope="col", rowspan="2", class_="corner")
    top = (element("th", _group(group), scope="colgroup", colspan=str(size), class_="group") for group, size in groups)
    return element("thead", element("tr", corner, top), element("tr", (_column(route, before) for route in routes)))


def _group(group: str) -> Node:
    return element("span", "everything else" if group.startswith("/(") else group, class_="group-name")


def _column(route: PlayRoute, before: LockComparison | None) -> Html:
    change = before.change(route) if before is not None else None
    return element(
        "th",
        method_badge(route),
        element("span", path_words(route.template), class_="path"),
        _changed(change),
        scope="col",
        class_="route",
        title=f"{route.key}: {route.row.words()}",
    )


def _changed(change: RouteChange | None) -> Node:
    if change is None:
        return None
    return element("span", "◆ changed", class_="tag changed")


def method_badge(route: PlayRoute) -> Html:
    """The method; of what is not run unasked it says so."""
    told = "any" if route.method == "*" else route.method
    return element("span", told, class_="method", data_safe="yes" if route.is_safe else "no")


def path_words(template: str) -> Node:
    """A path that may break after each slash."""
    return [[part, element("wbr")] for part in template.replace("/", "/\n").split("\n")]


def _row(cells: Sequence[PlayCell], shown: Shown) -> Html:
    return element("tr", _person(cells, shown.csrf), (element("td", cell_link(each, shown.samples)) for each in cells))


def _person(cells: Sequence[PlayCell], csrf: str) -> Html:
    who = cells[0].who
    let_in = sum(cell.outcome.admits for cell in cells)
    return element(
        "th",
        element("span", who.name, class_="name"),
        element("span", who.about, class_="about"),
        element("span", f"let in at {let_in} of {len(cells)}", class_="count"),
        _removal(who, csrf) if who.is_made else None,
        scope="row",
    )


def _removal(who: PlayPersona, csrf: str) -> Html:
    button = element("button", "Remove", type="submit", class_="quiet", aria_label=f"Remove {who.name}")
    return posted("/remove", {"csrf": csrf, "who": who.key}, button)


def cell_link(cell: PlayCell, samples: Mapping[str, str]) -> Html:
    """What stands in a cell: sign, status and a word, and the way to the details."""
    outcome, route = cell.outcome, cell.route
    status = "" if outcome.status is None else str(outcome.status)
    told = " ".join(filter(None, (status, outcome.word)))
    sign, shift = _SHIFTS.get(cell.shift, ("", ""))
    said = f"{told}{', ' + shift if shift else ''}: {cell.who.name}, {route.method} {route.template}"
    return element(
        "a",
        element("span", outcome.sign, class_="sign", aria_hidden="true"),
        element("span", status or outcome.word, class_="status"),
        element("span", outcome.word if status else _beside(outcome.state), class_="word"),
        element("span", f"{sign} {shift}", class_="tag shift") if shift else None,
        href=f"/cell?{query_of(samples, who=cell.who.key, route=route.key)}",
        class_="cell",
        data_state=outcome.state.value,
        aria_label=said,
    )


def _beside(state: CellState) -> str:
    return "not run" if state is CellState.MAY else ""


def legend(states: Iterable[CellState]) -> Html:
    """What the signs mean that are there."""
    used = set(states)
    items = (
        element(
            "li",
            element("span", SIGNS[state], class_="sign", data_state=state.value, aria_hidden="true"),
            MEANINGS[state],
        )
        for state in MEANINGS
        if state in used
    )
    return element("ul", items, class_="legend", aria_label="What the signs mean")
