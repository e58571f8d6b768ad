"""Rules from IAM policies: who may call a Cloud Run service says the same here as there.

Sources: Google Cloud IAM, "Policy" and "Principal identifiers"; ``gcloud run services get-iam-policy``; RFC 8259
section 4 and YAML 1.2 section 3.2.1.1 (keys are unique).
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from callerid.errors import ConfigurationError, one_line
from callerid.rules import Rule, any_of, member

__all__ = ["rules_from_iam_policy"]

_NEWEST = 3
"""Versions of policies are 1, 2 and 3 (IAM, "Policy versions"); what a newer one means is not known here."""

_WHY = {
    "deleted": "the account was deleted: take it out of the policy",
    "principal": "a workforce or workload identity never has a Google ID token of its own",
    "principalSet": "a set of workforce or workload identities never has Google ID tokens of its own",
    "projectOwner": "who has a role in a project is not known here: name them",
    "projectEditor": "who has a role in a project is not known here: name them",
    "projectViewer": "who has a role in a project is not known here: name them",
}


def rules_from_iam_policy(
    policy: str | bytes | os.PathLike[str] | Mapping[str, Any], role: str = "roles/run.invoker"
) -> Rule:
    """The rule that a policy's bindings for one role are: any of the members may.

    ``policy`` is what ``gcloud run services get-iam-policy SERVICE`` prints (YAML, for which there is the extra
    ``yaml``, or with ``--format=json`` JSON), or the `pathlib.Path` of a file with it, or the same as a mapping. It is
    judged whole or not at all: a condition, and a member whom this library cannot judge (``deleted:``,
    ``principalSet:``, ...), is an error that names it, and so is a role that the policy does not grant to anybody: a
    misspelt role would otherwise be nobody, silently. Roles inherited from the project are not in a service's policy.
    For ``group:`` the guard needs a look-up, such as `callerid.groups`.

    Raises `ConfigurationError`.
    """
    granted: list[str] = []
    for number, binding in enumerate(_bindings(policy)):
        where = f"bindings[{number}]"
        if not isinstance(binding, Mapping):
            raise _error(f"{where} is not an object")
        given = cast("Mapping[str, Any]", binding)
        if not isinstance(given.get("role"), str):
            raise _error(f"{where} has no role")
        if given["role"] == role:
            granted += _members(given, where)
    if not granted:
        raise _error(f"{role!r} is granted to nobody; where that is meant, write Nobody()")
    return any_of(tuple(map(_rule, dict.fromkeys(granted))))


def _bindings(policy: Any) -> list[Any]:
    if isinstance(policy, os.PathLike):
        policy = _content(cast("os.PathLike[str]", policy))
    if isinstance(policy, str | bytes):
        try:
            policy = _parsed(policy if isinstance(policy, str) else policy.decode())
        except (ValueError, RecursionError) as error:
            raise _error(f"it is neither JSON nor YAML ({one_line(str(error))})") from None
    if not isinstance(policy, Mapping):
        raise _error("it is not an object")
    given = cast("Mapping[str, Any]", policy)
    version = given.get("version", 1)
    if type(version) is not int or not 0 <= version <= _NEWEST:
        raise _error(f"its version is {version!r}, and this library reads 1 to {_NEWEST}")
    bindings: Any = given.get("bindings", [])
    if not _is_array(bindings):
        raise _error("bindings is not an array")
    return bindings  # type: ignore[no-any-return]


def _parsed(text: str) -> Any:
    """What a text stands for: JSON where it begins with a bracket, else YAML. Raises `ValueError`."""
    if text.lstrip().startswith(("{", "[")):
        return json.loads(text, object_pairs_hook=_members_once)
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise ConfigurationError(
            "an IAM policy in YAML needs PyYAML: pip install 'callerid[yaml]', or print it with --format=json",
            code="iam-policy",
        ) from None
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):  # one may be far from what it stands for, or grow without bounds
                raise yaml.MarkedYAMLError(problem="an alias: write it out", problem_mark=event.start_mark)
        _check_keys(yaml, yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a member twice")
    return members


def _check_keys(yaml: Any, node: Any) -> None:
    """Raise for a mapping that has a key twice, of which PyYAML would take the last, or that takes over another."""
    within = [node]
    while within:
        each = within.pop()
        if isinstance(each, yaml.SequenceNode):
            within += each.value
        elif isinstance(each, yaml.MappingNode):
            keys = [(key.tag, str(key.value)) for key, _ in each.value]
            if ("tag:yaml.org,2002:merge", "<<") in keys:
                raise yaml.MarkedYAMLError(problem="a merge: write it out", problem_mark=each.start_mark)
            if len(set(keys)) != len(keys):
                raise yaml.MarkedYAMLError(problem="a key stands twice in a mapping", problem_mark=each.start_mark)
            within += [value for _, value in each.value]


def _content(path: os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _error(f"{os.fspath(path)} cannot be read ({error.strerror})") from None


def _members(binding: Mapping[str, Any], where: str) -> list[str]:
    condition: Any = binding.get("condition")
    if condition is not None:
        title: Any = cast("Mapping[str, Any]", condition).get("title") if isinstance(condition, Mapping) else condition
        raise _error(f"{where} holds under the condition {title!r}, which cannot be judged here")
    members: Any = binding.get("members")
    if not _is_array(members) or not all(isinstance(each, str) for each in members):
        raise _error(f"{where}.members is not an array of strings")
    return members  # type: ignore[no-any-return]


def _is_array(value: Any) -> bool:
    return isinstance(value, list)


def _rule(name: str) -> Rule:
    why = _WHY.get(name.partition(":")[0])
    try:
        return member(name)
    except ConfigurationError as error:
        raise _error(f"the member {name!r} cannot be judged: {why or error.message}") from None


def _error(what: str) -> ConfigurationError:
    return ConfigurationError(f"this IAM policy cannot be read as a rule: {one_line(what)}", code="iam-policy")
