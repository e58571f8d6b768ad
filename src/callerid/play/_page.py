"""The whole page, and the page of one cell for browsers without scripts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from callerid.play._decisions import LoggedLine
from callerid.play._forms import again_form, people_form, token_form, view_form
from callerid.play._markup import Html, Node, element, page_of
from callerid.play._matrix import Shown, legend, matrix, query_of
from callerid.play._session import Playground

__all__ = ["cell_page", "log_lines", "table_of", "whole_page"]


def whole_page(ground: Playground, shown: Shown) -> Html:
    """The page."""
    refresh = element("noscript", element("meta", http_equiv="refresh", content="2")) if shown.pending else ()
    return page_of(
        f"{ground.name}: who may call what",
        element("a", "To the table", href="#scroller", class_="skip"),
        _header(ground),
        element("main", _table_part(ground, shown), _panel_place(), id="main"),
        element("div", _people_part(shown), _log_part(ground), class_="lower"),
        _footer(),
        head=refresh,
    )


def _header(ground: Playground) -> Html:
    people, routes = len(ground.people), len(ground.routes)
    return element(
        "header",
        element("h1", "Who may call what"),
        element("p", element("code", ground.name), f" {ground.map.kind}, {people} callers, {routes} routes"),
        element(
            "p",
            "Your app, its guards and its handlers; tokens are signed by a local issuer. GET, HEAD and OPTIONS are "
            "really called. Whatever may change something is only decided, until you press “Call it”.",
            class_="note",
        ),
        [element("p", each, class_="warning") for each in _warnings(ground)],
        class_="top",
    )


def _warnings(ground: Playground) -> Sequence[str]:
    said = [f"Not enforced {each}: whoever would be refused is let through." for each in ground.map.unenforced]
    return [*said, *(f"{each}." for each in ground.map.unseen)]


def _table_part(ground: Playground, shown: Shown) -> Html:
    return element(
        "section",
        element(
            "div", view_form(ground.parameters, shown.samples, shown.find), again_form(shown.csrf), class_="toolbar"
        ),
        _compared(ground),
        element("div", table_of(ground, shown), id="table", data_query=query_of(shown.samples, find=shown.find)),
        element("p", "", id="progress", class_="note", role="status"),
        aria_label="Who may call what",
        class_="table-part",
    )


def table_of(ground: Playground, shown: Shown) -> Node:
    """The table and its legend."""
    states = [cell.outcome.state for row in shown.rows for cell in row]
    return [matrix(shown, ground.before), legend(states)]


def _compared(ground: Playground) -> Node:
    before = ground.before
    if before is None:
        return None
    told = f"{before.count} of {len(ground.routes)} routes have changed since {before.file} was written."
    if not before.count and not before.others:
        told = f"Nothing has changed since {before.file} was written."
    others = element("ul", (element("li", element("pre", each)) for each in before.others)) if before.others else None
    more = element("details", element("summary", f"{len(before.others)} changes elsewhere"), others) if others else None
    return element("div", element("p", element("strong", "Before and after: "), told), more, class_="compared")


def _panel_place() -> Html:
    return element(
        "aside",
        element("button", "Close", type="button", id="close", class_="quiet", hidden=True),
        element(
            "div",
            element("p", "Choose a cell to see why. Arrow keys move, Enter opens, Escape closes.", class_="empty"),
            id="details",
        ),
        id="panel",
        aria_label="Details",
    )


def _people_part(shown: Shown) -> Html:
    return element(
        "section",
        element("h2", "More callers"),
        element(
            "div",
            element(
                "div", element("h3", "Made on the spot"), people_form(shown.csrf, shown.problems.get("people", ""))
            ),
            element("div", element("h3", "A pasted token"), token_form(shown.csrf, shown.problems.get("token", ""))),
            class_="halves",
        ),
        id="people",
        class_="card",
    )


def _log_part(ground: Playground) -> Html:
    lines = ground.log.after(0)
    return element(
        "section",
        element(
            "div",
            element("h2", "Decisions", id="log-title"),
            element("label", element("input", type="checkbox", id="refused-only"), "refusals only", class_="check"),
            element("button", "Pause", type="button", id="pause", class_="quiet", aria_pressed="false", hidden=True),
            class_="log-head",
        ),
        element(
            "ol",
            log_lines(lines),
            id="log",
            role="log",
            aria_live="off",  # it would speak without end
            tabindex="0",
            aria_labelledby="log-title",
            data_last=str(lines[-1].number if lines else 0),
        ),
        element("p", "Nothing was decided yet.", class_="empty", hidden=bool(lines)),
        class_="card log",
    )


def log_lines(lines: Sequence[LoggedLine]) -> Node:
    """Lines of the decision log, the newest first."""
    return [_line(line) for line in reversed(lines)]


def _line(line: LoggedLine) -> Html:
    fields = line.fields
    answer = " ".join(filter(None, (fields.get("status"), fields.get("reason"))))
    return element(
        "li",
        element("time", f"{datetime.fromtimestamp(line.at, UTC):%H:%M:%S}"),
        element("span", fields.get("outcome", "note"), class_="outcome"),
        element("span", fields.get("route", ""), class_="path"),
        element("span", line.message or answer or f"by {fields.get('rule', '')}", class_="why"),
        element("span", f"{line.who or 'somebody'}: {fields.get('caller', 'no caller')}", class_="who"),
        data_refused="yes" if line.is_refused else "no",
    )


def _footer() -> Html:
    return element(
        "footer",
        element("p", "Served on this machine alone, by ", element("code", "callerid play"), ". Ctrl-C ends it."),
    )


def cell_page(ground: Playground, details: Html, shown: Shown) -> Html:
    """The details of one cell as a page of its own."""
    back = element("a", "Back to the table", href=f"/?{query_of(shown.samples)}", class_="back")
    return page_of(
        f"{ground.name}: one call",
        element("header", element("h1", "Who may call what"), element("p", element("code", ground.name)), class_="top"),
        element("main", element("div", back, details, class_="card alone"), id="main"),
        _footer(),
    )
