"""The policy at the end of a route chain: every requirement, with where it is written."""

from __future__ import annotations

from collections.abc import Iterator

from callerid._marks import unguarded
from callerid.authorization import DEFAULT, FLOOR, TABLE, Policy, Written, policy_of
from callerid.errors import ConfigurationError
from callerid.starlette._route_chain import RouteChain, TableMatch

__all__ = ["policy_at"]


def policy_at(chain: RouteChain, match: TableMatch, *, endpoint: bool) -> Policy:
    """The policy; where no ``endpoint`` is meant (405, 404) the default is part of it, too.

    Raises `ConfigurationError` for an endpoint that nobody can reach, `UnguardedEndpointError` for a mark whose guard
    does not protect anything here.
    """
    where = _where(chain, match)
    guards = [protection.guard for protection, _ in chain.areas]
    policy = policy_of(guards, _written(chain, match, endpoint=endpoint), where, endpoint=endpoint)
    if endpoint:
        _check_parameters(policy, (*chain.parameters, *((name, "StringConvertor") for name in match.parameters)), where)
    return policy


def _written(chain: RouteChain, match: TableMatch, *, endpoint: bool) -> Iterator[Written]:
    guards = {protection.guard for protection, _ in chain.areas}
    for area, (protection, marks) in enumerate(chain.areas):
        if protection.floor is not None:
            yield Written(protection.guard, protection.floor, FLOOR)
        for mark in marks:
            if mark.guard not in guards:
                raise unguarded(mark, chain.template)
            yield Written(mark.guard, mark.requirement, mark)
        for at, entry in match.entries:
            if at == area:
                yield Written(protection.guard, entry.requirement, TABLE)
    innermost, marks = chain.areas[-1]
    is_said = bool(marks) or any(area == len(chain.areas) - 1 for area, _ in match.entries)
    if not is_said or not endpoint:
        yield Written(innermost.guard, innermost.default, DEFAULT)


def _where(chain: RouteChain, match: TableMatch) -> str:
    """The place, for messages."""
    entries = (f"{_table_name(chain, area, match)}[{entry.pattern!r}]" for area, entry in match.entries)
    return " and ".join((chain.template, *entries))


def _table_name(chain: RouteChain, area: int, match: TableMatch) -> str:
    return "shadow" if match.is_shadow and chain.areas[area][0].shadow is not None else "routes"


def _check_parameters(policy: Policy, parameters: tuple[tuple[str, str], ...], where: str) -> None:
    for name in sorted(policy.names):
        kinds = [kind for parameter, kind in parameters if parameter == name]
        if len(kinds) != 1:
            found = "has no such parameter" if not kinds else "has it more than once"
            raise ConfigurationError(
                f"{where}: PathParam({name!r}) needs exactly one path parameter of that name, and the path {found}: "
                "give the parameter one name of its own in the path",
                code="path-parameter",
            )
        if kinds[0] not in ("StringConvertor", "IntegerConvertor"):
            raise ConfigurationError(
                f"{where}: PathParam({name!r}) compares text or whole numbers, and the path converts it by {kinds[0]}: "
                f"write {{{name}}} or {{{name}:int}}",
                code="path-parameter",
            )
