"""A fingerprint is of what was written: the same in every release of Python, and none where that cannot be told."""

from __future__ import annotations

import ast
import functools
import importlib.util
import linecache
import subprocess
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509 import load_pem_x509_certificate

from callerid import Rule, Where
from callerid.audit.algebra import fingerprint, implies
from callerid.rules import Facts

from .portable import RULES

SAME_EVERYWHERE = {
    "plain": "91cabf37f7a1028c",
    "comprehending": "d524bed9819c2f0b",
    "deep": "ace8fbaf6323753e",
    "a closure": "dae540fc48579ce7",
    "an enumeration": "88795b829f7a7b69",
    "tuples": "226b826006bb3525",
    "a frozen dataclass": "fcf06dcd98f19d22",
    "a loose dataclass": "2f212ab7c5dd9077",
    "types": "20af6a15d1e6a5d2",
    "a method": "977b44abf857f19e",
    "a static method": "9cf9bb3afe269993",
    "a cached function": "dfdf2e348d078e48",
    "a wrapped function": "563cab5d901b4172",
    "a partial": "8a7931a1675c125a",
    "built-in": "8c49c3a97ca434d1",
    "math": "baf264bb29486f80",
    "lambdas on one line": "f3c0f2ca26eee0bd",
}
Holds = Callable[..., Any]


def told(holds: Holds) -> str | None:
    return fingerprint(Where("x", holds))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes a module of its text; a second one of the same name takes its place."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def make(text: str, name: str = "written_for_a_test") -> Any:
        file = tmp_path / f"{name}_{len(list(tmp_path.iterdir()))}.py"
        file.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    yield make
    linecache.clearcache()


def test_it_is_the_same_in_every_release_of_python() -> None:
    assert {name: str(told(holds))[:16] for name, holds in RULES.items()} == SAME_EVERYWHERE


FIRST = "def holds(caller, wanted='a'):\n    return caller.email == wanted\n"


@pytest.mark.parametrize(
    "text",
    [
        "# Words.\n\n\n" + FIRST,
        FIRST.replace("==", "  ==  ").replace("wanted\n", "wanted  # words\n"),
        FIRST.replace("caller.email == wanted", "(\n        caller.email\n        == (wanted)\n    )"),
        FIRST.replace("'a'", '"a"'),
        "import json\nif json:\n    def holds(caller, wanted='\\x61'):\n        return caller.email == wanted\n",
        "def keep(function):\n    return function\n@keep\n@keep\n" + FIRST,
        FIRST.replace("def holds", "def other") + "holds = other\n",
    ],
    ids=["moved", "spaces and comments", "parentheses", "quotes", "another block", "decorators", "its name"],
)
def test_layout_and_comments_do_not_count(written: Callable[..., Any], text: str) -> None:
    before = told(written(FIRST).holds)
    assert before is not None
    assert told(written(text).holds) == before


@pytest.mark.parametrize(
    "text",
    [
        FIRST.replace("==", "!="),
        FIRST.replace("'a'", "'b'"),
        FIRST.replace("'a'", "b'a'"),
        FIRST.replace("holds(", "holds(first, "),
        FIRST.replace("wanted=", "*, wanted="),
        FIRST.replace("caller.email", "caller.issuer"),
        FIRST.replace("return caller.email == wanted", "return caller.email == wanted or True"),
        FIRST + "holds.__defaults__ = ('b',)\n",
        FIRST + "holds.allowed = 'b'\n",
    ],
)
def test_every_word_counts(written: Callable[..., Any], text: str) -> None:
    before = told(written(FIRST).holds)
    after = told(written(text).holds)
    assert after is not None
    assert after != before


USES = {
    "a global": "LIMIT = {0}\ndef holds(caller):\n    return caller.limit < LIMIT\n",
    "a global in a nested function": "LIMIT = {0}\ndef holds(caller):\n    return [LIMIT for _ in 'a']\n",
    "a closure": "def make(limit):\n    return lambda caller: caller.limit < limit\nholds = make({0})\n",
    "a keyword": "def make(limit):\n    return lambda caller, *, most=limit: most\nholds = make({0})\n",
    "a default": "holds = [lambda caller, most=each: most for each in ({0},)][0]\n",
    "a function that is called": "def limit():\n    return {0}\nholds = lambda caller: caller.limit < limit()\n",
    "an attribute of the function": "def holds(caller):\n    return caller.limit < holds.limit\nholds.limit = {0}\n",
    "what is wrapped": (
        "import functools, json\ndef limit():\n    return {0}\n"
        "@functools.wraps(json.loads)\ndef holds(caller):\n    return caller.limit < limit()\n"
    ),
    "a private name": (
        "class A:\n    _A__limit, _B__limit = 1, {0}\nclass B:\n    holds = staticmethod(lambda caller: A.__limit)\n"
        "holds = B.holds\n"
    ),
    "a member of an enumeration": (
        "import enum\nclass Limit(enum.IntEnum):\n    MOST = {0}\nholds = lambda caller: caller.limit < Limit.MOST\n"
    ),
    "an attribute of such a member": (
        "import enum\nclass Limit(enum.Enum):\n    MOST = 'a'\nLimit.MOST.limit = {0}\n"
        "holds = lambda caller: Limit.MOST.limit\n"
    ),
    "a metaclass": (
        "class Meta(type):\n    def __contains__(self, each):\n        return each == {0}\n"
        "class Kind(metaclass=Meta): pass\nholds = lambda caller: caller.limit in Kind\n"
    ),
    "a method of a data class": (
        "import dataclasses\n@dataclasses.dataclass\nclass Limit:\n    most: int\n    def __eq__(self, other):\n"
        "        return other == {0}\nLIMIT = Limit(1)\nholds = lambda caller: caller.limit == LIMIT\n"
    ),
    "what a data class compares": (
        "import dataclasses\n@dataclasses.dataclass(eq={0} == 1)\nclass Limit:\n    most: int\n"
        "LIMIT = Limit(1)\nholds = lambda caller: caller.limit == LIMIT\n"
    ),
    "a field of a data class": (
        "import dataclasses\n@dataclasses.dataclass\nclass Limit:\n"
        "    most: int = dataclasses.field(compare={0} == 1)\n"
        "LIMIT = Limit(1)\nholds = lambda caller: caller.limit == LIMIT\n"
    ),
    "built-in functions of one name": (
        "import cmath, math\nroot = (math, cmath)[{0} - 1].sqrt\nholds = lambda caller: root(caller.limit)\n"
    ),
    "a long number": "LIMIT = {0} << 100_000\nholds = lambda caller: caller.limit < LIMIT\n",
}


@pytest.mark.parametrize("what", USES)
def test_the_same_words_with_another_meaning_differ(written: Callable[..., Any], what: str) -> None:
    before, again, after = (told(written(USES[what].format(limit)).holds) for limit in (1, 1, 2))
    assert before is not None
    assert after is not None
    assert before == again != after


def test_a_private_name_is_that_of_its_class(written: Callable[..., Any]) -> None:
    text = "class {0}:\n    holds = staticmethod(lambda caller: caller.__limit)\nholds = {0}.holds\n"
    assert told(written(text.format("A")).holds) != told(written(text.format("B")).holds)


def test_lambdas_on_one_line_are_told_apart() -> None:
    one, other, again = lambda c: c.a, lambda c: c.b, lambda c: c.a
    outer: Any = lambda c: lambda d: c.a == d.b
    prints = [told(each) for each in (one, other, outer, outer(1))]
    assert None not in prints
    assert len(set(prints)) == len(prints)
    assert told(again) == prints[0]


def test_a_function_below_a_decorator_that_is_one_itself(written: Callable[..., Any]) -> None:
    assert told(written("@(lambda function: function)\n" + FIRST).holds) == told(written(FIRST).holds)


@pytest.mark.slow
def test_without_columns_lambdas_on_one_line_cannot_be_told_apart(tmp_path: Path) -> None:
    (tmp_path / "rules_of_a_test.py").write_text("same = (lambda c: c.a, lambda c: c.a)\n", encoding="utf-8")
    (tmp_path / "others_of_a_test.py").write_text(
        "alone = lambda c: c.a\n(lambda c: c.a, lambda c: (c.a))\n", encoding="utf-8"
    )
    code = (
        "import rules_of_a_test as r, others_of_a_test as o; from callerid import Where\n"
        "from callerid.audit.algebra import fingerprint as f\n"
        "print(*(f(Where('x', each)) is None for each in (*r.same, o.alone)))"
    )
    done = subprocess.run(
        [sys.executable, "-X", "no_debug_ranges", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            "PYTHONPATH": ":".join([str(tmp_path), *(path for path in sys.path if path)]),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    assert done.stdout.split() == ["True"] * 3


# --- what cannot be told ---


def made_by_exec(text: str) -> Any:
    names: dict[str, Any] = {"__name__": __name__}
    exec(text, names)
    return names["holds"]


def rewritten(text: str, file: str) -> Any:
    """As an import hook does it."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8").replace("==", "!="))
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(tree, file, "exec"), names)
    return names["holds"]


def test_code_without_a_source_has_no_fingerprint(written: Callable[..., Any]) -> None:
    made = made_by_exec(FIRST)
    module = written(FIRST)
    others: list[Holds] = [
        made,
        functools.partial(made, wanted="b"),
        lambda caller: made(caller) is True,
        load_pem_x509_certificate,
        rewritten(FIRST, module.__file__),
        module.holds.__class__(module.holds.__code__.replace(co_name="other"), {}),
    ]
    assert [told(each) for each in others] == [None] * len(others)


def test_a_file_that_was_changed_since_is_not_the_source(written: Callable[..., Any]) -> None:
    module = written(FIRST)
    before = told(module.holds)
    Path(module.__file__).write_text(FIRST.replace("==", "is not"), encoding="utf-8")
    assert told(module.holds) is None
    Path(module.__file__).write_text("def (", encoding="utf-8")
    assert told(module.holds) is None
    Path(module.__file__).write_text(FIRST + "\nmore = 1\n", encoding="utf-8")
    assert told(module.holds) == before


def test_a_warning_about_the_source_is_not_ours(written: Callable[..., Any]) -> None:
    text = "import warnings\nholds = lambda caller: caller == '\\d'\n"
    with pytest.warns((SyntaxWarning, DeprecationWarning)):
        holds = written(text).holds
    assert told(holds) is not None


def test_what_is_too_deep_has_no_fingerprint() -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    assert told(lambda caller: caller in deep) is None


class Unread(Rule):
    admits = made_by_exec("def holds(self, facts):\n    return True\n")


def test_without_a_fingerprint_only_the_same_object_implies_it() -> None:
    made = Where("x", made_by_exec(FIRST))
    assert implies(made, made)
    assert not implies(made, Where("x", made_by_exec(FIRST)))
    one, other = Unread(), Unread()
    assert fingerprint(one) is None
    assert implies(one, one)
    assert not implies(one, other)
    assert one.admits(Facts())


def test_functions_of_a_library_without_source_go_by_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    library = types.ModuleType("library_for_a_test")
    library.__file__ = f"{sysconfig.get_paths()['purelib']}/library_for_a_test.py"
    monkeypatch.setitem(sys.modules, library.__name__, library)
    exec("def one(caller, most=1): return caller\ndef two(caller, most=1): return caller\n", vars(library))
    one, two = library.one, library.two
    prints = [told(lambda caller: one(caller) is True), told(lambda caller: two(caller) is True), told(one)]
    assert prints[2] is None
    assert None not in prints[:2]
    assert prints[0] != prints[1]
