"""`callerid explain`: from a name in a message to the page's section."""

from __future__ import annotations

import pytest

import callerid.cli._explain
from callerid.cli import main
from callerid.cli._explain import explained
from callerid.cli._trouble import CommandError


@pytest.mark.parametrize("name", ["audience", "wrong_audience"])
def test_a_code_or_a_reason_is_explained(name: str) -> None:
    text = explained(name)
    assert text.startswith(f"{name}\n\n**Cause.** ")
    assert text.endswith("```\n")
    assert "<!--" not in text


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("wrong-audience", "did you mean wrong_audience or audience"),
        ("caf\u00e9\n", "it stands at the end of an error's message, or in the log"),
    ],
)
def test_another_name_is_an_error_that_names_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(CommandError) as caught:
        explained(name)
    assert str(caught.value).startswith(f"there is no code or reason {name!a}: {hint}")


def test_an_installation_without_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callerid.cli._explain, "_PAGE", "no-such-page.md")
    with pytest.raises(CommandError, match="not part of this installation"):
        explained("audience")


def test_the_command_prints_the_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "not_allowed"]) == 0
    assert capsys.readouterr().out == explained("not_allowed")


def test_the_command_fails_for_another_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "nothing"]) == 2
    assert capsys.readouterr().err.startswith("callerid: there is no code or reason 'nothing': ")
