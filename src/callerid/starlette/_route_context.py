"""One request's progress through the routers of an application: the routes that matched, and the decision."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from starlette.routing import Router
from starlette.types import Scope

from callerid._marks import Mark, unguarded
from callerid.asgi._exchange import values_of
from callerid.asgi._prefixes import below_mount
from callerid.asgi._websockets import Ends, postponed
from callerid.authorization import Policy
from callerid.callers import Caller
from callerid.errors import BadRequest, Reason, UnguardedEndpointError
from callerid.guard import GuardCore
from callerid.paths import METHODS, WEBSOCKET, BoundTable, TableEntry
from callerid.starlette._policies import policy_at
from callerid.starlette._protection import Protection
from callerid.starlette._route_chain import BEGINNING, NO_ENTRIES, RouteChain, Span, TableMatch
from callerid.starlette._routes import RoutePlace, Step

__all__ = ["KEY", "RouteContext"]

KEY: Final = "callerid"
"""The key of a request's context in its scope. It is held by reference: middleware copies scopes."""

_METHODS: Final = frozenset(METHODS.values())

_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


class RouteContext:
    """One request in one router: the chain of routes that led here, and the decision that was made here.

    Each router on the way has a context of its own, so that a request dispatched again, or a copied scope, sees only
    the decisions of outer routers. Only the task that serves the request uses it.
    """

    # Shared defaults, all immutable: a context is made for every request, and most of them stay as they are.
    judged_by: Policy
    leads_to: Router | None = None
    pending = True
    ends: Ends = ()
    """When the tokens of this request expire, by each guard's clock: a WebSocket is closed then."""
    lapses: Ends = ()
    """When refusals that were only logged begin to be enforced, by each guard's clock: a WebSocket is closed then."""
    outer_scopes: tuple[Scope, ...] = ()
    """The scopes of outer middleware, which reads them after the request; that of the router's own app comes first."""
    step: Step | None = None
    """The route that matched, if one did."""
    place: RoutePlace | None = None
    """The place of the endpoint, by whose policy the request is judged; ``None`` where no endpoint is meant."""
    path: Mapping[str, Any] = _NOTHING
    """The path parameters that the endpoint would get."""
    answer: Any = None
    """The router's own response (not found, redirect) where no route matches, as it was judged."""
    uses_up = True
    """Whether a token is used up, where it opens one request: not by a redirect, since its target does."""
    judged_path: tuple[str | None, str, str] | None = None
    """The method, path and root path by which an entry below an opaque mount was looked up."""
    _callers: Mapping[GuardCore, Caller | None] = _NOTHING
    _decided: frozenset[Mark] = frozenset()
    _judged: Mapping[str, Any] = _NOTHING
    _method: str | None = None

    def __init__(self, chain: RouteChain = BEGINNING, above: RouteContext | None = None) -> None:
        self.chain = chain
        self.above = above

    def onwards(self) -> RouteContext:
        """The context in the next router: the same rules hold there, too, and nothing is decided yet."""
        return RouteContext(self.chain, self)

    def leading_to(self, router: Router) -> RouteContext | None:
        """The nearest context that leads to this router.

        A request that is dispatched again, by an endpoint, an exception handler or middleware, starts from that
        context: the decision about the first route does not apply to the second.
        """
        context: RouteContext | None = self
        while context is not None and context.leads_to is not router:
            context = context.above
        return context

    def past_the_routes(self) -> RouteContext:
        """The context in a router that no matched route leads to.

        An opaque application was judged as a whole, so its rules hold for routers behind it. Raises
        `UnguardedEndpointError` where an endpoint forwards its request: the rules on the way there are not known.
        """
        place = self.chain.place
        if place is None or not place.is_mount:
            raise UnguardedEndpointError(
                f"{self.template or 'the endpoint'} hands its request to a router past the mounts and rules "
                "that lead there: hand it to the application that guard.protect was called on"
            )
        return self.onwards()

    def enter(self, protection: Protection) -> None:
        """Add a protection inside those that hold already."""
        self.chain = protection.chains.get(self.chain) or self.chain.under(protection)

    def match_tables(self, scope: Scope, *, endpoint: bool, shadow: bool = False) -> TableMatch:
        """The entries of the path tables that hold here; with ``shadow``, those of the shadow tables.

        Where a route matched but no ``endpoint`` is meant (405), the entries for all methods of the route hold.

        Raises `BadRequest` where an opaque mount could read another path than its entries were looked up by.
        """
        chain = self.chain
        method = scope["method"] if scope["type"] == "http" else WEBSOCKET
        if self._is_opaque:
            return self._looked_up((method,), scope, shadow=shadow)
        methods: tuple[str, ...] = (method,)
        if not endpoint and self.step is not None and chain.place is not None and chain.place.methods:
            methods = chain.place.methods
        # Unknown methods share one key, so that clients cannot make the cache grow.
        key = (tuple(each if each in _METHODS else "" for each in methods), shadow)
        found = chain.matches.get(key)
        if found is None:
            found = chain.matches[key] = self._looked_up(methods, scope, shadow=shadow)
        return found

    def is_audited(self, scope: Scope) -> bool:
        """Whether the decision about this request is logged, whatever it is."""
        if self.place is None:
            return False
        judged_path = self.judged_path
        try:
            return self.names_audited(scope["method"] if scope["type"] == "http" else WEBSOCKET, scope)
        except BadRequest:  # which path an opaque mount reads cannot be told, so this may be one that is audited
            return True
        finally:
            self.judged_path = judged_path  # of the entries that were judged alone

    def names_audited(self, method: str, scope: Scope) -> bool:
        """Whether ``audit=`` names this place for a method. Raises `BadRequest` where an opaque mount is ambiguous."""
        every = zip(self.areas, self.chain.spans, strict=True)
        audited = [(protection.audited, span) for (protection, _), span in every if protection.audited is not None]
        return any(self._entry(table, method, span, scope) is not None for table, span in audited)

    def static_match(self, method: str, *, shadow: bool = False) -> TableMatch:
        """The entries that hold here for every request of this method; ``*`` is any method."""
        return self._looked_up((method,), {}, shadow=shadow) if self.chain.has_tables else NO_ENTRIES

    def _looked_up(self, methods: tuple[str, ...], scope: Scope, *, shadow: bool) -> TableMatch:
        found: dict[tuple[int, str], TableEntry] = {}
        for area, (protection, _) in enumerate(self.areas):
            table = protection.shadow if shadow and protection.shadow is not None else protection.table
            if table is None:
                continue
            for method in methods:
                entry = self._entry(table, method, self.chain.spans[area], scope)
                if entry is not None:
                    found[area, entry.pattern] = entry
        return TableMatch(tuple((area, entry) for (area, _), entry in found.items()), shadow)

    def _entry(self, table: BoundTable, method: str, span: Span, scope: Scope) -> TableEntry | None:
        place = self.chain.place
        if place is None or not place.is_mount:
            return table.find(method, span.template, span.prefixes)
        entry = None
        patterns = table.patterns(span.template) if self._is_opaque else None
        if patterns is not None:
            entry, trouble = patterns.find(method, self._rest_of_path(scope))
            if trouble is not None:
                raise BadRequest(Reason.AMBIGUOUS_PATH, trouble)
        return entry or table.find(method, "", span.prefixes)

    @property
    def _is_opaque(self) -> bool:
        """Whether the chain ends at a mount that reads the rest of the path by itself, and not at another router."""
        place = self.chain.place
        return place is not None and place.is_mount and self.step is not None and self.leads_to is None

    def _rest_of_path(self, scope: Scope) -> str:
        """The path below an opaque mount. Raises `BadRequest` where it is ambiguous."""
        step = cast("Step", self.step)
        root_path = step.judged.get("root_path", scope.get("root_path", ""))
        self.judged_path = (scope.get("method"), scope["path"], root_path)
        path, trouble = below_mount(scope, step.judged, getattr(step.route, "app", None))
        if trouble is not None:
            raise BadRequest(Reason.AMBIGUOUS_PATH, trouble)
        if step.judged.get("root_path", "") != scope.get("root_path", ""):
            return path
        # A mount that does not move its prefix into root_path (a FastAPI frontend) still has its template in the path.
        return "/" + "/".join(path.split("/")[1 + step.places[-1].path.count("/") :])

    def note(self, places: Iterable[RoutePlace]) -> None:
        """Extend the chain by these places."""
        for place in places:
            self.chain = place.chains.get(self.chain) or self.chain.through(place)

    @property
    def areas(self) -> tuple[tuple[Protection, tuple[Mark, ...]], ...]:
        """The protections that hold here, outermost first, each with the marks under it."""
        return self.chain.areas

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The path parameters so far, each with the name of its converter."""
        return self.chain.parameters

    @property
    def template(self) -> str:
        """The path template, the host in front of it."""
        return self.chain.template

    @property
    def protection(self) -> Protection:
        """The innermost protection."""
        return self.chain.protection

    @property
    def guards(self) -> frozenset[GuardCore]:
        """The guards of these protections."""
        return frozenset(protection.guard for protection, _ in self.areas)

    def is_report_only(self, guard: GuardCore | None) -> bool:
        """Whether refusals of a guard are only logged here; or, for ``None``, those of path tables.

        They are enforced if any protection here that may have made them enforces its rules.
        """
        every = [protection for protection, _ in self.areas]
        asking = [each for each in every if (each.table is not None if guard is None else each.guard is guard)]
        return bool(asking) and all(each.is_report_only() for each in asking)

    def end_of(self, guard: GuardCore, expires_at: float) -> float:
        """When a WebSocket is closed whose token expires at this time: later, while the rules are report-only."""
        rollouts = [protection.rollout for protection, _ in self.areas if protection.guard is guard]
        return min(postponed(expires_at, guard, rollout) for rollout in rollouts)

    def when_enforced(self, guards: Collection[GuardCore]) -> Ends:
        """When the protections here begin to enforce what these guards refuse."""
        every = [(protection.guard, protection.rollout) for protection, _ in self.areas]
        return tuple((guard, each.ends_at) for guard, each in every if guard in guards and each is not None)

    @property
    def tabling(self) -> set[GuardCore]:
        """The guards of protections that have a path table."""
        return {protection.guard for protection, _ in self.areas if protection.table is not None}

    @property
    def has_shadow(self) -> bool:
        """Whether a protection here has a shadow table."""
        return self.chain.has_tables and any(protection.shadow is not None for protection, _ in self.areas)

    @property
    def shadowing(self) -> GuardCore:
        """The guard of the innermost protection with a shadow table."""
        return next(protection.guard for protection, _ in reversed(self.areas) if protection.shadow is not None)

    def route(self, scope: Scope) -> str:
        """The route for the log: its template, since the path itself may contain secrets."""
        method = scope["method"] if scope["type"] == "http" else "WS"
        return f"{method} {self.template or '(no route)'}"

    def policy(self, *, endpoint: bool, match: TableMatch = NO_ENTRIES) -> Policy:
        """The policy here; where no ``endpoint`` is meant (405, 404) the default is part of it, too.

        It is made once, and cached with the chain. Raises what `policy_at` does.
        """
        policies, key = self.chain.policies, (endpoint, match.is_shadow, match.texts) if match.entries else endpoint
        policy = policies.get(key)
        if policy is None:
            policy = policies[key] = policy_at(self.chain, match, endpoint=endpoint)
        return policy

    def answered(self) -> None:
        """Record that a guard has answered, here and in all outer contexts."""
        self.pending, above = False, self.above
        while above is not None:
            above.pending, above = False, above.above

    @property
    def judged_request(self) -> tuple[str | None, Mapping[str, Any]] | None:
        """The method and the path parameters by which the request was judged; ``None`` before the decision."""
        return None if self.pending else (self._method, self._judged)

    def settle(self, callers: Mapping[GuardCore, Caller | None], method: str | None) -> None:
        """Record the decision, and the method it was made for (``None`` for a WebSocket)."""
        self._method = method
        if self.above is None:
            self.pending = False
        else:
            self.answered()
        self._decided, self._callers = self.judged_by.marks, callers
        if self.path:  # a copy: code that runs after the decision may change the parameters in place
            self._judged = dict(self.path)

    def credentials(self, scope: Scope, guard: GuardCore) -> Mapping[str, list[str]]:
        """What was sent in the headers that a guard reads."""
        if scope["type"] == "http":
            return values_of(scope, guard.authenticator.headers)
        return self.protection.websockets.values_of(scope, guard)

    def has_decided(self, mark: Mark) -> bool:
        """Whether this mark was judged, and the request admitted."""
        return mark in self._decided

    def has_noted(self, mark: Mark) -> bool:
        """Whether this mark is part of the chain: it was judged, or the next router will judge it."""
        return any(mark in marks for _, marks in self.areas)

    def caller_under(self, mark: Mark, path: Mapping[str, Any]) -> Caller | None:
        """The caller whom the guard of a mark admitted.

        Raises `UnguardedEndpointError` where the mark was not judged, or not for these path parameters.
        """
        if mark not in self._decided or dict(path) != self._judged:
            raise unguarded(mark, self.template or "the endpoint")
        return self._callers[mark.guard]

    @property
    def caller(self) -> Caller | None:
        """The caller whom the innermost guard admitted."""
        return next(reversed(tuple(self._callers.values())), None)
