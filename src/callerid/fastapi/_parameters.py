"""What FastAPI has made of an endpoint's parameters and dependencies: the rules among them, and what they receive."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Collection, Iterable, Iterator
from typing import Annotated, Any, ForwardRef

import annotated_types
from fastapi.dependencies.utils import get_typed_signature
from pydantic import BaseModel

from callerid._marks import Mark, marks_on, unwrapped
from callerid.callers import Caller
from callerid.fastapi._decorator import Allow, CallerDependency, mark_of
from callerid.starlette._routes import Receiver

__all__ = ["dependants", "marks_of", "problem_with", "read_elsewhere", "receivers", "understood"]

# What only says no and changes nothing: the endpoint gets what the path holds.
_CONSTRAINTS = (
    annotated_types.Gt,
    annotated_types.Ge,
    annotated_types.Lt,
    annotated_types.Le,
    annotated_types.MultipleOf,
    annotated_types.MinLen,
    annotated_types.MaxLen,
)
_CONSTRAINT_NAMES = {"pattern", "strict"}
# What pydantic does not look at.
_NOTES = (str, int)


def dependants(dependant: Any) -> Iterator[Any]:
    """The endpoint and all its dependencies, theirs included."""
    yield dependant
    for inner in dependant.dependencies:
        yield from dependants(inner)


def marks_of(dependant: Any) -> tuple[Mark, ...]:
    """All marks on the way: rules as parameters, in ``dependencies=[...]``, and on functions that are depended on."""
    found: dict[Mark, None] = {}
    for each in dependants(dependant):
        if isinstance(each.call, CallerDependency):
            found[each.call.mark] = None
        else:
            found.update(dict.fromkeys((*marks_on(each.call), *_annotated(each.call))))
    return tuple(found)


def _annotated(call: Any) -> Iterator[Mark]:
    """The rules in the types of a function's parameters: of several in one, FastAPI itself sees the last alone."""
    for parameter in get_typed_signature(call).parameters.values():
        yield from _within(parameter.annotation)


def _within(annotation: Any) -> Iterator[Mark]:
    # What an alias of the type statement stands for, and what is annotated again.
    annotation = getattr(annotation, "__value__", annotation)
    if typing.get_origin(annotation) is Annotated:
        yield from _within(annotation.__origin__)
        yield from (mark_of(each) for each in annotation.__metadata__ if isinstance(each, Allow))


def receivers(dependant: Any) -> Iterator[Receiver]:
    """The parameters that are given the caller."""
    for owner in dependants(dependant):
        given = [each for each in owner.dependencies if isinstance(each.call, CallerDependency) and each.name]
        hints = _hints(owner.call) if given else {}
        for each in given:
            yield Receiver(each.call.mark, each.name, hints.get(each.name, Any) is not Caller)


def _hints(call: Any) -> dict[str, Any]:
    target = unwrapped(call)
    if isinstance(target, type):
        target = vars(target).get("__init__", target)
    elif not inspect.isroutine(target):
        target = type(target).__call__
    try:
        return typing.get_type_hints(target)
    except Exception:  # noqa: BLE001 - user code runs here; what cannot be read is not judged
        return {}


def understood(dependant: Any, kinds: dict[str, str]) -> tuple[dict[str, str], frozenset[str]]:
    """Each path parameter as the endpoint and its dependencies understand it, and which of them as whole numbers."""
    kinds, integers = dict(kinds), set[str]()
    for each in dependants(dependant):
        for parameter in each.path_params:
            names, kind = _read_by(parameter, kinds), _converted_by(parameter.field_info)
            if kind is int:
                integers.update(names)
            elif kind is not str:
                # A name that is not in this path may be in that of a mount.
                kinds.update(dict.fromkeys(names, getattr(kind, "__name__", str(kind))))
    return kinds, frozenset(integers)


def read_elsewhere(dependant: Any, own: Collection[str]) -> dict[str, str]:
    """The names that the endpoint or a dependency reads from somewhere else than the path, each with where.

    Without those in the route's ``own`` path, which FastAPI itself reads from there, and those that are read from the
    path beside.
    """
    found: dict[str, str] = {}
    for each in dependants(dependant):
        in_path = {name for parameter in each.path_params for name in _read_by(parameter, ())}
        for where in ("query", "header", "cookie", "body"):
            for parameter in getattr(each, f"{where}_params"):
                names = {parameter.name} if where == "body" else {parameter.name, *_read_by(parameter, ())}
                found.update((name, where) for name in {*names, parameter.alias} if name not in {*own, *in_path})
    return found


def _read_by(parameter: Any, kinds: Iterable[str]) -> set[str]:
    """The names in the path that a parameter is read from: a model may be made of all of them."""
    kind = parameter.field_info.annotation
    models = [each for each in (kind, *typing.get_args(kind)) if isinstance(each, type) and issubclass(each, BaseModel)]
    if not models:
        return {str(parameter.field_info.validation_alias or parameter.alias)}
    fields = [(name, field) for model in models for name, field in model.model_fields.items()]
    return {*kinds, *(str(field.validation_alias or field.alias or name) for name, field in fields)}


def _converted_by(field: Any) -> Any:
    """``str`` or ``int`` where the endpoint gets just that; else what makes something else of the path's text."""
    for step in field.metadata:
        if not isinstance(step, _CONSTRAINTS) and type(step) not in _NOTES and not _is_pydantics_constraint(step):
            return type(step)  # pyright: ignore[reportUnknownVariableType]
    kind: Any = field.annotation
    while hasattr(kind, "__supertype__"):
        kind = kind.__supertype__
    return str if kind is Any else kind


def _is_pydantics_constraint(step: Any) -> bool:
    # Whatever else has such members, or none, may make anything of the text.
    names = set(getattr(step, "__dict__", ()))
    return type(step).__module__.startswith("pydantic.") and bool(names) and names <= _CONSTRAINT_NAMES


def problem_with(dependant: Any) -> str:
    """Why the endpoint's parameters cannot mean what they say; empty where they can."""
    for each in dependants(dependant):
        if each.call is Caller:
            return (
                "a Caller is never made from a request, and Depends() would make it from query parameters: "
                "write Annotated[Caller, guard.allow(rule)]"
            )
        for parameter in (*each.path_params, *each.query_params, *each.header_params, *each.cookie_params):
            if isinstance(parameter.field_info.annotation, str | ForwardRef):
                return (
                    f"the annotation of {parameter.name!r} cannot be resolved, so a rule in it would not be seen: "
                    "define it at the module's top level, or leave out 'from __future__ import annotations'"
                )
    return ""
