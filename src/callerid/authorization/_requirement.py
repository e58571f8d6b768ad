"""A requirement: a rule with audiences, as written at one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from callerid.authentication._trust import Trusted
from callerid.callers import Kind
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer, audience_set
from callerid.rules import (
    STEPS,
    AnyApp,
    App,
    FirebaseUser,
    Public,
    Rule,
    Subject,
    Via,
    all_of,
    any_of,
    is_public,
    leaves,
    look_up_rules,
    member,
    needs_no_caller,
    needs_use,
    of_any_issuer,
    some_app,
    without_public,
)

__all__ = ["Requirement", "check_whose", "combined", "named_audiences", "requirement_of"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A rule, and the audiences that a token must be for (``None``: the issuer's)."""

    rule: Rule
    audiences: frozenset[str] | None = None
    public: bool = field(init=False, repr=False, compare=False)
    """Whether no credential is read at all."""
    optional: bool = field(init=False, repr=False, compare=False)
    """Whether it can hold without a caller, so that the handler may get ``None``."""
    identifying_rule: Rule = field(init=False, repr=False, compare=False)
    """The rule without Public(): the handler gets the caller if this admits them."""
    has_steps: bool = field(init=False, repr=False, compare=False)
    """Whether a more recent or stronger sign-in may satisfy it (step-up)."""
    apps: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The ids of apps of which one may satisfy a leaf of it; empty where it says nothing of apps."""
    of_any_issuer: tuple[Rule, ...] = field(init=False, repr=False, compare=False)
    """The leaves that admit callers of any issuer by what means something to one only: an error with several."""
    lookups: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of the look-ups that its answer may depend on."""
    single_use: bool = field(init=False, repr=False, compare=False)
    """Whether its answer may depend on whether the token was used before."""

    # Computed once, since they are read for every request.
    def __post_init__(self) -> None:
        object.__setattr__(self, "public", is_public(self.rule))
        object.__setattr__(self, "optional", needs_no_caller(self.rule))
        object.__setattr__(self, "identifying_rule", without_public(self.rule))
        object.__setattr__(self, "has_steps", any(type(leaf) in STEPS for leaf in leaves(self.rule)))
        apps = (app for leaf in leaves(self.rule) for app in some_app(leaf))
        object.__setattr__(self, "apps", tuple(dict.fromkeys(apps)))
        object.__setattr__(self, "of_any_issuer", tuple(dict.fromkeys(of_any_issuer(self.rule))))
        object.__setattr__(self, "lookups", frozenset(leaf.of for leaf in look_up_rules(self.rule)))
        object.__setattr__(self, "single_use", needs_use(self.rule))


def combined(requirements: Iterable[Requirement]) -> Requirement:
    """All of them together: every rule must hold, and the token's audience be in every set that is named.

    Raises `ConfigurationError` where no audience is in all sets.
    """
    parts = tuple(requirements)
    named = [part.audiences for part in parts if part.audiences is not None]
    audiences = named[0].intersection(*named) if named else None
    if audiences is not None and not audiences:
        sets = " and ".join(str(sorted(each)) for each in named)
        raise ConfigurationError(
            f"no audience is in all of {sets}, so no token can be accepted here: name an audience that all of them "
            "have",
            code="audience-of-a-rule",
        )
    return Requirement(all_of(tuple(part.rule for part in parts)), audiences)


def requirement_of(rules: tuple[Rule | str, ...], audience: str | Iterable[str] | None) -> Requirement:
    """The requirement given to ``allow(...)``, with the checks that need no guard. Raises `ConfigurationError`."""
    if not rules:
        raise ConfigurationError("allow() needs a rule: Public() for everybody, Nobody() for nobody", code="not-a-rule")
    if len(rules) > 1 and any(isinstance(rule, Rule) for rule in rules):
        raise ConfigurationError(
            "allow(...) takes one rule, or IAM member strings of which any suffices: join rules with & (all) or | "
            "(any)",
            code="not-a-rule",
        )
    rule = any_of(tuple(rule if isinstance(rule, Rule) else member(rule) for rule in rules))
    audiences = named_audiences(audience)
    if audiences is not None and not any(map(_may_be_google, leaves(rule))):
        raise ConfigurationError(
            f"audience= names audiences of Google ID tokens, and {rule!r} admits no Google account: "
            "leave audience= out (the audience of a Firebase token is its project)",
            code="audience-of-a-rule",
        )
    return Requirement(rule, audiences)


def named_audiences(audience: str | Iterable[str] | None) -> frozenset[str] | None:
    """The audiences given as ``audience=``, as a set; ``None`` for none. Raises `ConfigurationError`."""
    if audience is None:
        return None
    several = isinstance(audience, Iterable) and not isinstance(audience, str)
    return audience_set(tuple(audience) if several else (audience,), "audience= names what a token must be minted for")


def _may_be_google(leaf: Rule) -> bool:
    """Whether a leaf may admit a caller with a Google ID token in Authorization, to which audience= applies."""
    return type(leaf) not in (Public, Via, App, AnyApp) if leaf.kinds is None else Kind.GOOGLE in leaf.kinds


def check_whose(requirement: Requirement, trusted: Trusted, where: str) -> None:
    """Raise `ConfigurationError` for a rule that does not say whose callers it means, where there are several issuers.

    A uid means somebody within one Firebase project only, a subject, a claim and a fact something to one issuer only.
    """
    for leaf in requirement.of_any_issuer:
        found = trusted.namespaces(leaf.kinds or frozenset())
        if len(found) > 1:
            raise _not_said_whose(leaf, found, where)


def _not_said_whose(leaf: Rule, found: Mapping[str, Issuer], where: str) -> ConfigurationError:
    name, issuer = next(iter(found.items()))
    if type(leaf) is FirebaseUser and issuer.project is not None:
        remedy = repr(replace(leaf, project=name))
    elif type(leaf) is Subject:
        remedy = repr(replace(leaf, of=issuer.name))
    else:
        remedy = f"{leaf!r} & IssuedBy({issuer.name!r})"
    what = "several Firebase projects" if leaf.family is Kind.FIREBASE else "several issuers of such callers"
    return ConfigurationError(
        f"{where}: {leaf!r} does not say whose user it means: this guard trusts {what} "
        f"({', '.join(found)}), and a uid or a claim means something within one of them only. Write, for each "
        f"that is meant, {remedy}",
        code="rule-names-no-issuer",
    )
