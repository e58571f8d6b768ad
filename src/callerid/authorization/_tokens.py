"""What every guard does about a token that came outside headers, and about a caller in hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, cast

from callerid.asking import is_in_task
from callerid.authentication import (
    UNCHECKED,
    Attempt,
    ExpectedNonce,
    HoldsAuthenticator,
    Identity,
    SignInForm,
    Waited,
    resolve,
    resolve_async,
)
from callerid.authorization._engine import judge
from callerid.authorization._outside import TOKEN, TokenRequest, allows, check_path, signing_in
from callerid.authorization._requirement import Requirement, named_audiences, requirement_of
from callerid.authorization._startup import check_lookups
from callerid.callers import Caller
from callerid.errors import ConfigurationError
from callerid.keys import Wait
from callerid.rules import Rule

__all__ = ["JudgesTokens"]


class JudgesTokens(HoldsAuthenticator):
    """The part of a guard that judges without a request. See `callerid.guard.GuardCore`."""

    def verify(  # noqa: PLR0913 - what a route would have: a rule, an audience, a path and a name
        self,
        token: str,
        rule: Rule | str | None = None,
        nonce: ExpectedNonce = UNCHECKED,
        *,
        audience: str | Iterable[str] | None = None,
        path: Mapping[str, Any] = MappingProxyType({}),
        where: str = TOKEN,
    ) -> Caller:
        """The caller that a token names, as if sent in ``Authorization``. Raises `Refusal`.

        For a token that came outside headers: in the first message of a WebSocket, in Socket.IO's ``auth``, in
        GraphQL's ``connection_init``. With a ``rule`` (or an IAM member string) the caller must satisfy it, and the
        decision is logged as one about a request is, under the name ``where``; ``path`` are values for its `PathParam`.
        Without one the caller is known, and whether they may do anything is a rule's to say.

        ``audience`` replaces the issuer's audiences, for Google ID tokens. ``nonce`` is what the token's ``nonce``
        claim must be, exactly: a token without one, and an empty one, are refused (OpenID Connect Core section
        3.1.3.7). So is every token where it is ``None``, as a cookie is that did not come.

        Raises `ConfigurationError` for a rule that could hold without a caller, such as `Public`, for a path parameter
        that is not given, and for a look-up that this guard does not have.
        """
        return resolve(self._verifying(token, rule, nonce, audience=audience, path=path, where=where))

    async def averify(  # noqa: PLR0913 - as above
        self,
        token: str,
        rule: Rule | str | None = None,
        nonce: ExpectedNonce = UNCHECKED,
        *,
        audience: str | Iterable[str] | None = None,
        path: Mapping[str, Any] = MappingProxyType({}),
        where: str = TOKEN,
    ) -> Caller:
        """As `verify`, without blocking the event loop."""
        return await resolve_async(self._verifying(token, rule, nonce, audience=audience, path=path, where=where))

    def verify_sign_in(
        self, form: SignInForm, rule: Rule | str | None = None, nonce: ExpectedNonce = UNCHECKED
    ) -> Caller:
        """The person whom Google's button signed in, by the form that it posted to ``login_uri``. Raises `Refusal`.

        The guards of FastAPI, Starlette and Flask take a request instead: ``sign_in_with_google(request)``.

        The form must have come from a page of this application's own: its ``g_csrf_token`` must be that of the
        browser's cookie, or else an attacker's page could sign the user in to the attacker's account (403,
        ``wrong_csrf_token``). Its ``credential`` must be an ID token of this guard's `google`, minted for a person and
        for one of the guard's OAuth client ids. Without a ``rule`` any Google account may sign in. ``nonce`` is as for
        `verify`: with one of your own for each page that shows the button, nobody else's token can be posted.

        The form is no credential of a request: what comes next is up to the application, which remembers who signed in
        (by a session cookie of its own, or Firebase's).

        Raises `ConfigurationError` where the guard has no OAuth client id, and for rules as `verify`.
        """
        self.check_ready()
        return resolve(signing_in(self, form, rule, nonce))

    async def averify_sign_in(
        self, form: SignInForm, rule: Rule | str | None = None, nonce: ExpectedNonce = UNCHECKED
    ) -> Caller:
        """As `verify_sign_in`, without blocking the event loop."""
        self.check_ready()
        return await resolve_async(signing_in(self, form, rule, nonce))

    def _verifying(  # noqa: PLR0913 - as above
        self,
        token: str,
        rule: Rule | str | None,
        nonce: ExpectedNonce,
        *,
        audience: str | Iterable[str] | None,
        path: Mapping[str, Any],
        where: str,
    ) -> Attempt[Caller]:
        self.check_ready()
        read = partial(self._read, token, nonce)
        if rule is not None:
            return TokenRequest(self, read, self.requirement(rule, audience=audience), path, where).authorize
        audiences = named_audiences(audience)

        def attempt(waited: Waited) -> Caller | Wait:
            found = read(waited)
            if isinstance(found, Wait):
                return found
            caller = cast("Caller", found.caller)
            self.authenticator.check_audience(caller, audiences)
            return caller

        return attempt

    def _read(self, token: str, nonce: ExpectedNonce, waited: Waited) -> Identity | Wait:
        found = self.authenticator.read(token, waited=waited)
        if not isinstance(found, Wait):
            self.authenticator.check_nonce(token, nonce)
        return found

    def allows(
        self,
        caller: Caller | None,
        rule: Rule | str,
        path: Mapping[str, Any] = MappingProxyType({}),
        *,
        audience: str | Iterable[str] | None = None,
    ) -> bool:
        """Whether a caller in hand satisfies a rule (or an IAM member string) now, judged as a request's caller is.

        For what a handler shows or leaves out. ``path`` are values for the rule's `PathParam`, ``audience`` is as for
        ``allow``. It logs nothing, and does no I/O but for a rule that needs a look-up: then it may wait for it, and in
        a task of an event loop it is `aallows` that has to be asked. ``False``, too, once the caller's token has
        expired or its issuer is trusted no more; for nobody (``None``) as where no credential was sent.

        Raises `ConfigurationError` for a path parameter that is not given, and for a rule with `SingleUse`, which is
        about a token; `Unavailable` where a look-up that the answer depends on cannot be asked.
        """
        requirement = self._asked_of(rule, audience, path)
        if requirement.lookups and is_in_task():
            raise ConfigurationError(
                f"{rule!r} needs a look-up, for which a task must not wait so: await guard.aallows",
                code="lookup-in-a-task",
            )
        return resolve(partial(allows, self, caller, requirement, path))

    async def aallows(
        self,
        caller: Caller | None,
        rule: Rule | str,
        path: Mapping[str, Any] = MappingProxyType({}),
        *,
        audience: str | Iterable[str] | None = None,
    ) -> bool:
        """As `allows`, without blocking the event loop."""
        return await resolve_async(partial(allows, self, caller, self._asked_of(rule, audience, path), path))

    def _asked_of(self, rule: Rule | str, audience: str | Iterable[str] | None, path: Mapping[str, Any]) -> Requirement:
        requirement = self.requirement(rule, audience=audience)
        if requirement.single_use:
            raise ConfigurationError(
                f"{rule!r} asks for a token, and here is a caller: put SingleUse() on the route, or give "
                "guard.verify(token, rule) the token; leave it out here",
                code="rule-outside-a-request",
            )
        check_path(requirement, path)
        check_lookups(self, requirement, "the rule")
        return requirement

    def requirement(self, *rules: Rule | str, audience: str | Iterable[str] | None = None) -> Requirement:
        """What ``allow(...)`` was given, checked as far as it can be alone. Raises `ConfigurationError`."""
        return requirement_of(rules, audience)

    def judge(
        self, requirement: Requirement, identity: Identity, path: Mapping[str, Any], waited: Waited = ()
    ) -> Caller | Wait | None:
        """Whether these callers may: the caller as the handler shall see it. Raises `Refusal`.

        Returns a `callerid.keys.Wait`, as `identify` does, where a look-up has to be waited for.
        """
        return judge(self, requirement, identity, path, waited)
