"""HTML that is escaped where it is made: text stays text, whatever is in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

__all__ = ["Html", "Node", "element", "joined", "listed", "page_of", "posted"]


class Html(str):
    """Text that is HTML already. `element` makes it; nothing else does."""

    __slots__ = ()


Node = str | None | Iterable["Node"]
"""What an element may hold: text, which is escaped, `Html`, several of these, or nothing."""

_VOID: Final = frozenset({"input", "link", "meta", "br"})


def element(name: str, /, *inside: Node, **attributes: str | bool | None) -> Html:
    """An element. Attributes are named as in HTML, with underscores; ``class_`` and ``for_`` lose theirs.

    ``True`` is an attribute without a value; ``False`` and ``None`` leave it out.
    """
    told = "".join(_attribute(each, value) for each, value in attributes.items())
    opened = f"<{name}{told}>"
    return Html(opened if name in _VOID else f"{opened}{joined(inside)}</{name}>")


def _attribute(name: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{escape(value)}"'


def joined(inside: Node) -> Html:
    """Nodes one after the other."""
    if inside is None:
        return Html("")
    if isinstance(inside, Html):
        return inside
    if isinstance(inside, str):
        return Html(escape(inside))
    return Html("".join(map(joined, inside)))


def posted(action: str, hidden: Mapping[str, str], *inside: Node, class_: str | None = None) -> Html:
    """A form that is posted, with fields that nobody sees."""
    fields = (element("input", type="hidden", name=name, value=value) for name, value in hidden.items())
    return element("form", fields, inside, method="post", action=action, class_=class_)


def listed(facts: Iterable[tuple[str, str]]) -> Node:
    """Facts by their names; those that are empty are left out."""
    told = [[element("dt", name), element("dd", value)] for name, value in facts if value]
    return element("dl", told, class_="facts") if told else None


def page_of(title: str, *body: Node, head: Node = ()) -> Html:
    """A whole document."""
    meta = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        element("link", rel="stylesheet", href="/static/play.css"),
        element("script", src="/static/play.js", defer=True),
    ]
    document = element("html", element("head", meta, head), element("body", body), lang="en")
    return Html(f"<!doctype html>{document}")
