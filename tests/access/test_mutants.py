"""Deleting or weakening any one rule of an example makes a named access test fail."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callerid.access import access_map, load, locked, read_suite
from callerid.errors import ConfigurationError
from callerid.testing import LocalIssuer
from callerid.testing.access import rehearsing

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("fastapi_app", "flask_app")

WEAKER = (
    "Public()",
    "{} | AnyGoogleAccount()",
    "{} | FirebaseUser(anonymous=True)",
    "{} | Domain('example.com')",
)
"""Whom a rule is made to admit, too."""


class Mutation(ast.NodeTransformer):
    """Finds every rule of an application by its place in the source; at one of them it puts something else."""

    def __init__(self, at: int = -1, weaker: str | None = None) -> None:
        self.at, self.weaker = at, weaker
        self.rules: list[str] = []

    def _is_it(self, rule: str) -> bool:
        self.rules.append(rule)
        return len(self.rules) - 1 == self.at

    def _weakened(self, rule: ast.expr) -> ast.expr:
        assert self.weaker is not None
        return ast.parse(self.weaker.format(f"({ast.unparse(rule)})"), mode="eval").body

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        allow = node.func
        # What wraps an application or a blueprint.
        if isinstance(allow, ast.Call) and _is_allow(allow) and self.weaker is None and self._is_it(ast.unparse(node)):
            return node.args[0]
        if _is_allow(node) and self.weaker is not None and self._is_it(ast.unparse(node.args[0])):
            node.args[0] = self._weakened(node.args[0])
        for keyword in node.keywords:
            if keyword.arg == "default" and self.weaker is not None and self._is_it(ast.unparse(keyword.value)):
                keyword.value = self._weakened(keyword.value)
        if self.weaker is None and any(each.arg == "audience" for each in node.keywords) and self._is_it("audience"):
            node.keywords = [each for each in node.keywords if each.arg != "audience"]
        return node

    def visit_FunctionDef(self, node: Any) -> Any:
        self.generic_visit(node)
        if self.weaker is None:
            node.decorator_list = [
                each for each in node.decorator_list if not (_is_rule(each) and self._is_it(f"@ {node.name}"))
            ]
            taken = [each for each in node.args.args if each.arg in ("caller", "visitor") and self._is_it(node.name)]
            for each in taken:
                # The name stays, for what the function does with it; whoever calls is let in all the same.
                node.args.args.remove(each)
                node.body.insert(0, ast.parse(f"{each.arg} = None").body[0])
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815


def _is_allow(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "guard.allow"


def _is_rule(node: ast.expr) -> bool:
    return _is_allow(node) or ast.unparse(node) in ("staff", "owner", "shopper", "visitor")


def mutants(name: str) -> Iterator[tuple[str, str]]:
    text = (EXAMPLES / name / "app.py").read_text(encoding="utf-8")
    for weaker in (*WEAKER, None):
        every = Mutation(weaker=weaker)
        every.visit(ast.parse(text))
        for at, rule in enumerate(every.rules):
            changed = Mutation(at, weaker).visit(ast.parse(text))
            head = "from callerid import AnyGoogleAccount, Public\n"
            yield f"{rule} -> {weaker}", head + ast.unparse(changed)


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_deleted_or_weakened_makes_a_named_test_fail(name: str, tmp_path: Path) -> None:
    original = locked(access_map(load("app:app", EXAMPLES / name)))
    suite = read_suite((EXAMPLES / name / "access.toml").read_text(encoding="utf-8"), "access.toml")
    caught, same = 0, []
    issuer = LocalIssuer()
    for number, (what, text) in enumerate(mutants(name)):
        if "ServiceAccount" in what and "Domain" in what:  # people get no token for a URL, so nobody new comes in
            continue
        (tmp_path / f"mutant_{number}.py").write_text(text, encoding="utf-8")
        try:
            app = load(f"mutant_{number}:app", tmp_path)
        except ConfigurationError:  # it does not start
            caught += 1
            continue
        finally:
            sys.modules.pop(f"mutant_{number}", None)
        found = access_map(app)
        is_same = locked(found).replace(f" mutant_{number}:", " app:") == original if not found.problems else False
        if not found.problems and (is_same or "Public()" in what.partition(" -> ")[0]):
            same.append(what)
            continue
        caught += 1
        if found.problems:  # it does not start, and the map says why
            continue
        with rehearsing(app, issuer) as rehearsal:
            failing = next((case for case in suite.cases if not rehearsal.judge(case).is_right), None)
        assert failing is not None, what
    assert caught > 25
    # Where the default asks the same, a rule of its own makes no difference; what is open cannot be opened.
    for what in same:
        rule = what.partition(" -> ")[0]
        assert "Public()" in rule or rule == "Domain('example.com')" or "report" in rule or "catalogue" in rule, what
