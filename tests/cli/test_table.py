"""Tables are plain text on plain terminals."""

from __future__ import annotations

from callerid.cli._scenes import Outcome
from callerid.cli._table import Style, names, outcomes

SEEN = {
    ("GET /a", "ada"): Outcome(200),
    ("GET /a", "nobody"): Outcome(401, "no_credential"),
    ("GET /long", "ada"): Outcome(403, "not_allowed"),
    ("GET /long", "nobody"): Outcome(401, "expired"),
}


def table(style: Style, *wrong: tuple[str, str]) -> list[str]:
    return outcomes(["GET /a", "GET /long"], ["ada", "nobody"], SEEN, wrong, style)


def test_columns_stand_under_their_callers() -> None:
    assert table(Style()) == [
        "             ada     nobody",
        "  GET /a     ✓ 200   401 who?",
        "  GET /long  403 no  401 expired",
    ]


def test_a_terminal_without_a_tick_gets_a_word() -> None:
    assert table(Style(tick="ok"))[1] == "  GET /a     ok 200  401 who?"


def test_colours_tell_outcomes_apart_and_move_nothing() -> None:
    plain, coloured = table(Style()), table(Style(colours=True), ("GET /a", "ada"))
    assert "\033[1;37;41m✓ 200\033[0m" in coloured[1]
    assert "\033[33m401 who?\033[0m" in coloured[1]
    assert "\033[31m403 no\033[0m" in coloured[2]
    for code in ("\033[1;37;41m", "\033[33m", "\033[31m", "\033[1m", "\033[0m"):
        coloured = [line.replace(code, "") for line in coloured]
    assert [line.rstrip() for line in coloured] == plain


def test_a_table_that_is_too_wide_is_several() -> None:
    assert table(Style(width=24)) == [
        "             ada",
        "  GET /a     ✓ 200",
        "  GET /long  403 no",
        "",
        "             nobody",
        "  GET /a     401 who?",
        "  GET /long  401 expired",
    ]
    assert table(Style(width=32)) == table(Style())
    assert len(table(Style(width=31))) == 7


def test_names_are_one_column() -> None:
    assert names({"a": "one", "long": "two"}, Style()) == ["  a     one", "  long  two"]
    assert names({"a": "one two three"}, Style(width=12)) == ["  a  one two", "     three"]
    assert names({"a": ""}, Style()) == ["  a  "]
