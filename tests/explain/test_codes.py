"""Every start-up error has a code, and every code and every reason a section with cause, remedy and an example."""

from __future__ import annotations

import ast
import copy
import pickle
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler

import callerid
import callerid.django
from callerid import ConfigurationError, Domain, Forbidden, Guard, Reason, google
from callerid.access import access_map, read_suite
from callerid.cli import main
from callerid.cli._explain import explained, sections
from callerid.errors import pointed
from tests.djangos import Project
from tests.docs.pages import blocks_of, text_of

PACKAGE = Path(callerid.__file__).parent
SECTIONS = sections(text_of("errors.md"))
NOT_SHOWN = {
    "django-release",  # no release that callerid supports
    "rule-not-seen",  # other releases of FastAPI, and classes of routes that serve in a way of their own
    "rule-of-another-guard",  # where routers under several guards are joined
}
"""Codes whose section has no mistake that can be made in a line or two; the tests of each feature make it."""


def sites() -> Iterator[tuple[str, ast.Call]]:
    """Each place in the package that makes a `ConfigurationError`."""
    texts = [(path, path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))]
    for path, text in texts:
        if "ConfigurationError(" not in text and "pointed(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("ConfigurationError", "pointed"):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def code_of(call: ast.Call) -> ast.expr | None:
    if getattr(call.func, "id", "") == "pointed":
        return call.args[1]
    return next((each.value for each in call.keywords if each.arg == "code"), None)


SITES = list(sites())
CODES = {str(code.value) for _, call in SITES if isinstance(code := code_of(call), ast.Constant)}


def test_every_start_up_error_has_a_code() -> None:
    assert [where for where, call in SITES if code_of(call) is None] == []
    # What is no literal is taken over from the error that is wrapped, or is a refusal's reason.
    found = [code for _, call in SITES if (code := code_of(call)) is not None]
    others = {ast.unparse(code) for code in found if not isinstance(code, ast.Constant)}
    assert others == {"error.code", "self.code", "fields['reason'] or ''"}


def test_every_code_and_every_reason_has_a_section_and_no_section_is_of_nothing() -> None:
    assert SECTIONS.keys() == CODES | set(Reason)
    assert not CODES & set(Reason)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in CODES)


@pytest.mark.parametrize("name", sorted(SECTIONS))
def test_a_section_has_a_cause_a_remedy_and_an_example(name: str) -> None:
    text = SECTIONS[name]
    assert [text.count(part) for part in ("**Cause.** ", "**Remedy.** ")] == [1, 1]
    assert len(re.findall(r"(?m)^```", text)) == 2
    assert text.index("**Cause.**") < text.index("**Remedy.**") < text.index("```")


def test_a_reasons_section_begins_with_its_status() -> None:
    assert {name for name in Reason if re.search(r"\*\*Cause.\*\* [45]\d\d\. ", SECTIONS[name])} == set(Reason)


MISTAKES = {
    name: "\n".join(lines) for name, text in SECTIONS.items() if (lines := re.findall(r"(?m)^# wrong: (.*)$", text))
}


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """The namespace of the page: what its first blocks import and define."""
    module = sys.modules["page_of_errors"] = ModuleType("page_of_errors")
    names = vars(module)
    for block in blocks_of("errors.md"):
        if block.language == "python":
            exec(compile(block.text, "errors.md", "exec", dont_inherit=True), names)
    return names


def languages(*of: str) -> dict[str, str]:
    """The mistakes whose section has its example in one of these languages."""
    return {name: code for name, code in MISTAKES.items() if re.search(r"(?m)^```(\w+)", SECTIONS[name])[1] in of}  # type: ignore[index]


DJANGO = {name: code for name, code in MISTAKES.items() if name.startswith("django-")}


@pytest.mark.parametrize(("name", "code"), DJANGO.items())
def test_a_mistake_in_djangos_settings_raises_the_error_of_its_section(name: str, code: str) -> None:
    guard = callerid.django.Guard(google("https://orders.example.com"))
    guard.protect(default=Domain("example.com"))
    wrong: dict[str, Any] = {}
    exec(compile(code, "errors.md", "exec", dont_inherit=True), wrong)
    settings = {key: value for key, value in wrong.items() if key.isupper()}
    with Project([], guard, **settings).settings(), pytest.raises(ConfigurationError) as caught:
        WSGIHandler()
    assert caught.value.code == name


@pytest.mark.parametrize(("name", "code"), languages("sh").items())
def test_a_mistaken_command_says_the_code_of_its_section(
    name: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "app", raising=False)
    (tmp_path / "app.log").touch()
    (tmp_path / "app.py").write_text(
        "from callerid import Nobody, google\n"
        "from callerid.fastapi import Guard\n"
        "from fastapi import FastAPI\n"
        "app = FastAPI()\n"
        "Guard(google('https://orders.example.com')).protect(app, default=Nobody())\n"
    )
    program, *arguments = shlex.split(code)
    assert (program, main(arguments)) == ("callerid", 2)
    assert code_in(capsys.readouterr().err) == name


@pytest.mark.parametrize(("name", "code"), languages("toml").items())
def test_a_mistake_in_a_file_raises_the_error_of_its_section(name: str, code: str) -> None:
    (block,) = re.findall(r"(?ms)^```toml\n(.*?)^```$", SECTIONS[name])
    read_suite(block, "access.toml")
    key = code.partition(" ")[0]
    with pytest.raises(ConfigurationError) as caught:
        read_suite(re.sub(rf"(?m)^{key} .*$", code, block), "access.toml")
    assert caught.value.code == name


@pytest.mark.parametrize(("name", "code"), sorted(languages("python").items() - DJANGO.items()))
def test_a_mistake_of_the_page_raises_the_error_of_its_section(page: dict[str, Any], name: str, code: str) -> None:
    names = dict(page)
    with pytest.raises(ConfigurationError) as caught:  # noqa: PT012 - some are found when the routes are read
        exec(compile(code, "errors.md", "exec", dont_inherit=True), names)
        assert names["app"] is not page["app"], "nothing was wrong"
        found = access_map(names["app"])
        raise ConfigurationError("\n".join(found.problems), code=code_in("\n".join(found.problems)))
    assert caught.value.code == name, str(caught.value)


def code_in(text: str) -> str:
    found = re.search(r"callerid explain ([\w-]+)", text)
    return found[1] if found else ""


def test_what_cannot_be_shown_in_a_line_is_named() -> None:
    assert CODES - MISTAKES.keys() == NOT_SHOWN


def test_a_message_ends_with_where_more_is_said() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Domain("gmail.com")
    error = caught.value
    assert str(error) == f"{error.message} (more: callerid explain rule-argument)"
    assert error.args == (error.message,)
    assert str(ConfigurationError("of an application's own")) == "of an application's own"


def test_an_error_is_copied_and_sent_between_processes_with_its_code() -> None:
    error = ConfigurationError("write it", code="audience")
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(other), other.code, other.message) == (str(error), "audience", "write it")


def test_a_message_that_points_somewhere_already_is_left_alone() -> None:
    once = pointed("write it", "audience")
    assert pointed(f"at /: {once}", "startup-checks") == "at /: write it (more: callerid explain audience)"


def test_a_refusal_in_the_log_says_where_more_is_said(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard(google("https://orders.example.com"))
    with caplog.at_level("INFO", "callerid"):
        guard.record("GET /", None, None, Forbidden("expected somebody"))
    assert "(more: callerid explain not_allowed) [urn:uuid:" in caplog.text
    assert explained("not_allowed").startswith("not_allowed\n\n**Cause.** 403. ")
