"""``callerid check`` as a person and a pipeline see it, and the same as pytest items."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from callerid.cli import main
from callerid.testing.access import Rehearsal

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("fastapi_app", "flask_app")


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    sys.modules.pop("app", None)
    yield
    sys.modules.pop("app", None)


def run(example: str, file: Path | None = None) -> int:
    folder = EXAMPLES / example
    return main(["check", "app:app", str(file or folder / "access.toml"), "--app-dir", str(folder)])


@pytest.mark.parametrize("example", NAMES)
def test_the_examples_are_as_their_files_say(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(example) == 0
    told = capsys.readouterr().out
    assert "calls, " in told.splitlines()[-1]
    assert told.endswith(" as the file says\n")
    assert "no call of the file reaches" not in told
    assert "FAILED" not in told


def test_what_is_not_so_is_named_and_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "access.toml"
    file.write_text(
        '[personas.ben]\nfirebase_user = "ben"\nmay = ["GET /users/ada/orders"]\nmay_not = ["GET /products"]\n'
    )
    assert run("flask_app", file) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  ben  may  0, may not  0, failed 2"
    assert lines[2:5] == [
        "FAILED: ben may GET /users/ada/orders: refused with 403 not_allowed",
        "  - firebaseUser:{user_id}: the caller is firebase:shop-prod/ben, the path names 'ada'",
        "FAILED: ben may not GET /products: let in by allUsers or firebaseUser",
    ]
    assert lines[5:8] == ["no call of the file reaches", "  GET /static/<path:filename>", "  GET /health"]
    assert lines[-1] == f"{file}: 2 calls, 0 as the file says"


SHADOWED = """
from fastapi import FastAPI
from callerid import Domain, google
from callerid.fastapi import Guard

guard = Guard(google("1234-abc.apps.googleusercontent.com"))
app = FastAPI(openapi_url=None)
guard.protect(app, default=Domain("example.com"))
app.get("/users/{name}")(lambda name: name)
app.get("/users/me")(lambda: "me")
"""


def test_what_is_never_served_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shadowed_app.py").write_text(SHADOWED)
    file = tmp_path / "access.toml"
    file.write_text('[personas.stranger]\nmay_not = ["GET /users/me"]\n')
    try:
        assert main(["check", "shadowed_app:app", str(file), "--app-dir", str(tmp_path)]) == 1
    finally:
        sys.modules.pop("shadowed_app", None)
    lines = capsys.readouterr().out.splitlines()
    assert "FAILED: GET /users/me is never served: GET /users/{name} comes first" in lines


def test_everything_else_is_called_though_the_file_does_not_name_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "access.toml"
    file.write_text('[personas.stranger]\nmay = ["GET /health"]\nmay_not = "everything else"\n')
    assert run("flask_app", file) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("  stranger  may  1, may not ")
    assert [line for line in lines if line.startswith("FAILED")] == [
        "FAILED: stranger may not GET /products: let in by allUsers or firebaseUser"
    ]
    named = lines[lines.index("no call of the file reaches") + 1 :]
    assert named[:2] == ["  GET /static/<path:filename>", "  GET /products"]


def test_problems_come_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "unguarded_app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    try:
        file = str(EXAMPLES / "flask_app" / "access.toml")
        assert main(["check", "unguarded_app:app", file, "--app-dir", str(tmp_path)]) == 1
    finally:
        sys.modules.pop("unguarded_app", None)
    assert capsys.readouterr().out.startswith("problem: no guard protects this Flask application")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read "),
        ("may =", "access.toml: it is not TOML"),
        ('[personas.r]\nservice_account = "r@example.com"\nmay = ["GET /"]', "r: "),
    ],
)
def test_what_cannot_be_read_is_one_line_and_exits_2(
    text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "access.toml"
    if text is not None:
        file.write_text(text)
    assert run("flask_app", file) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert said in told.err


# --- as pytest items ---

APP = """
from flask import Flask
from callerid import Domain, Public, google
from callerid.flask import Guard

guard = Guard(google("1234-abc.apps.googleusercontent.com"))
app = Flask(__name__, static_folder=None)
guard.protect(app, default=Domain("example.com"))
app.get("/a")(lambda: "")
bare = Flask(__name__)
"""
TOML = """
app = "app:app"
[personas.sam]
workspace_person = "sam@example.com"
may = ["GET /a"]
[personas.stranger]
may = ["GET /a"]
"""


def collected(pytester: pytest.Pytester, toml: str, *options: str, app: str = APP) -> pytest.RunResult:
    pytester.makepyfile(app=app)
    (pytester.path / "access.toml").write_text(toml)
    return pytester.runpytest_inprocess("-p", "pytest_callerid", "-p", "no:cacheprovider", "-v", *options)


def test_each_call_is_an_item(pytester: pytest.Pytester) -> None:
    result = collected(pytester, TOML)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "access.toml::sam may GET /a PASSED*",
            "access.toml::stranger may GET /a FAILED*",
            "access.toml::every route is called PASSED*",
            "stranger may GET /a: refused with 401 no_credential",
            "  expected domain:example.com, got no credential",
        ]
    )


OPEN = (
    APP
    + """
app.get("/b", endpoint="b")(guard.allow(Public())(lambda: ""))
app.get("/c/<int:n>", endpoint="c")(guard.allow(Public())(lambda n: ""))
"""
)
CLOSED = """
[personas.sam]
workspace_person = "sam@example.com"
may = ["GET /a", "GET /b", "GET /c/1"]
may_not = "everything else"
[personas.stranger]
may_not = "everything else"
"""


def test_everything_else_is_an_item(pytester: pytest.Pytester) -> None:
    result = collected(pytester, 'app = "app:app"' + CLOSED, app=OPEN)
    result.assert_outcomes(passed=7, failed=2)
    result.stdout.fnmatch_lines(
        [
            "access.toml::stranger may not GET /c/1 FAILED*",
            "access.toml::sam may not everything else PASSED*",
            "access.toml::stranger may not everything else PASSED*",
            "access.toml::every route is called PASSED*",
        ]
    )


def test_everything_else_has_what_the_file_does_not_name_whichever_items_run(pytester: pytest.Pytester) -> None:
    toml = 'app = "app:app"' + CLOSED.replace(', "GET /b", "GET /c/1"', "")
    result = collected(pytester, toml, "-k", "else", app=OPEN)
    result.assert_outcomes(failed=2, deselected=3)
    result.stdout.fnmatch_lines(
        [
            "*sam may not everything else*",
            "sam may not GET /b: let in by allUsers",
            "sam may not GET /c/1: let in by allUsers",
            "*stranger may not everything else*",
            "stranger may not GET /b: let in by allUsers",
            "stranger may not GET /c/1: let in by allUsers",
        ]
    )


def test_a_route_that_no_call_of_the_file_reaches_is_a_warning(pytester: pytest.Pytester) -> None:
    toml = 'app = "app:app"\n[personas.sam]\nworkspace_person = "sam@example.com"\nmay = ["GET /b"]\n'
    result = collected(pytester, toml, "-W", "default", app=OPEN)
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(
        ["*UncalledRouteWarning: access.toml: no call of the file reaches GET /a, GET /c/<int:n>"]
    )
    collected(pytester, toml, "-W", "error", app=OPEN).assert_outcomes(passed=1, failed=1)


def test_a_route_that_is_never_served_fails_its_item(pytester: pytest.Pytester) -> None:
    result = collected(pytester, 'app = "app:app"\n[personas.a]\nmay_not = "everything else"\n', app=SHADOWED)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["GET /users/me is never served: GET /users/{name} comes first"])


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (TOML.replace("app:app", "app:bare"), "no guard protects this Flask application*"),
        (TOML.replace("app:app", "app:gone"), "app:gone: app has no 'gone'*"),
        (TOML.replace("sam@example.com", "sam@gmail.com"), "sam: *"),
    ],
)
def test_an_application_that_cannot_be_tested_fails_each(pytester: pytest.Pytester, toml: str, said: str) -> None:
    result = collected(pytester, toml)
    assert result.ret == 1
    result.stdout.fnmatch_lines([said])


@pytest.mark.parametrize(
    ("toml", "said"),
    [("may =", "*access.toml: it is not TOML*"), (TOML.replace('app = "app:app"', ""), "*name the application*")],
)
def test_a_file_that_cannot_be_read_is_a_collection_error(pytester: pytest.Pytester, toml: str, said: str) -> None:
    result = collected(pytester, toml)
    assert result.ret == 2
    result.stdout.fnmatch_lines([said])


def test_a_mistake_of_ours_keeps_its_traceback(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rehearsal, "judge", lambda *_: next(iter(())))
    result = collected(pytester, TOML)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*StopIteration*"])
