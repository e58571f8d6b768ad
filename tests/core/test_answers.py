"""What a refused client is told, to the byte."""

from __future__ import annotations

import json

import pytest

from callerid import (
    BadRequest,
    ConfigurationError,
    CrossSite,
    Forbidden,
    Guard,
    Reason,
    Refusal,
    StepUpRequired,
    Unauthenticated,
    Unavailable,
    google,
)
from callerid._answers import Answer, Challenge, answer
from callerid.errors import FrontDoorOpen

INSTANCE = "urn:uuid:7c1d0a4e-0000-4000-8000-000000000000"
METADATA = "https://orders.example.com/.well-known/oauth-protected-resource"

BARE = 'Bearer realm="callerid"'
CHALLENGES: list[tuple[Refusal, int, str, str, str | None]] = [
    (Unauthenticated(Reason.NO_CREDENTIAL), 401, "Unauthorized", "no_credential", BARE),
    (Unauthenticated(Reason.NO_APP_CHECK), 401, "Unauthorized", "no_app_check", BARE),
    *(
        (Unauthenticated(reason), 401, "Unauthorized", str(reason), f'{BARE}, error="invalid_token"')
        for reason in (
            Reason.MALFORMED_TOKEN,
            Reason.SIGNATURE_REMOVED,
            Reason.UNSIGNED,
            Reason.UNKNOWN_ISSUER,
            Reason.UNKNOWN_KEY,
            Reason.UNKNOWN_CREDENTIAL,
            Reason.WRONG_ALGORITHM,
            Reason.BAD_SIGNATURE,
            Reason.BAD_CLAIMS,
            Reason.EXPIRED,
            Reason.NOT_YET_VALID,
            Reason.WRONG_AUDIENCE,
            Reason.WRONG_TENANT,
            Reason.ALREADY_CONSUMED,
            Reason.ALREADY_USED,
            Reason.REVOKED,
        )
    ),
    (StepUpRequired(), 401, "Unauthorized", "step_up", f'{BARE}, error="insufficient_user_authentication"'),
    (
        StepUpRequired(max_age=300),
        401,
        "Unauthorized",
        "step_up",
        f'{BARE}, error="insufficient_user_authentication", max_age="300"',
    ),
    (
        BadRequest(Reason.SEVERAL_CREDENTIALS),
        400,
        "Bad Request",
        "several_credentials",
        f'{BARE}, error="invalid_request"',
    ),
    (BadRequest(Reason.MALFORMED_HEADER), 400, "Bad Request", "malformed_header", f'{BARE}, error="invalid_request"'),
    (BadRequest(Reason.AMBIGUOUS_PATH), 400, "Bad Request", "ambiguous_path", None),
    (BadRequest(Reason.MALFORMED_FORM), 400, "Bad Request", "malformed_form", f'{BARE}, error="invalid_request"'),
    (CrossSite(reason=Reason.WRONG_CSRF_TOKEN), 403, "Forbidden", "wrong_csrf_token", None),
    (Forbidden(), 403, "Forbidden", "not_allowed", f'{BARE}, error="insufficient_scope"'),
    (CrossSite(), 403, "Forbidden", "cross_site", None),
    (Unavailable(), 503, "Service Unavailable", "keys_unavailable", None),
    (
        Unavailable(reason=Reason.VERIFICATION_UNAVAILABLE),
        503,
        "Service Unavailable",
        "verification_unavailable",
        None,
    ),
    (Unavailable(reason=Reason.LOOKUP_UNAVAILABLE), 503, "Service Unavailable", "lookup_unavailable", None),
    (Unavailable(reason=Reason.SINGLE_USE_UNAVAILABLE), 503, "Service Unavailable", "single_use_unavailable", None),
    (FrontDoorOpen(), 503, "Service Unavailable", "front_door_open", None),
]


@pytest.mark.parametrize(
    ("refusal", "status", "title", "reason", "challenge"), CHALLENGES, ids=[row[3] for row in CHALLENGES]
)
def test_each_refusal_has_its_answer(
    refusal: Refusal, status: int, title: str, reason: str, challenge: str | None
) -> None:
    told = answer(refusal, Challenge(), INSTANCE)
    headers = dict(told.headers)
    assert told.status == status
    assert json.loads(told.body) == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "reason": reason,
        "instance": INSTANCE,
    }
    assert headers.pop("content-type") == "application/problem+json"
    assert headers.pop("content-length") == str(len(told.body))
    assert headers.pop("cache-control") == "no-store"
    assert headers.pop("www-authenticate", None) == challenge
    assert headers.pop("retry-after", None) == {503: "60" if reason == "front_door_open" else "1"}.get(status)
    assert headers == {}
    assert all(name == name.lower() for name, _ in told.headers)


def test_every_reason_has_an_answer_here() -> None:
    assert {refusal.reason for refusal, *_ in CHALLENGES} == set(Reason)


def test_an_answer_to_the_byte() -> None:
    guard = Guard(google("https://orders.example.com"), realm="orders")
    refusal = Forbidden("expected domain:example.com", why="- domain:example.com", remedy="ask")
    assert guard.answer(refusal, INSTANCE) == Answer(
        403,
        (
            ("content-type", "application/problem+json"),
            ("content-length", "146"),
            ("cache-control", "no-store"),
            ("www-authenticate", 'Bearer realm="orders", error="insufficient_scope"'),
        ),
        b'{"type": "about:blank", "title": "Forbidden", "status": 403, "reason": "not_allowed", '
        b'"instance": "urn:uuid:7c1d0a4e-0000-4000-8000-000000000000"}',
    )


def test_the_client_learns_what_and_not_why() -> None:
    refusal = Unauthenticated(Reason.EXPIRED, "secret detail", why="secret why", remedy="secret remedy")
    assert "secret" not in repr(answer(refusal, Challenge(), INSTANCE))


@pytest.mark.parametrize(("seconds", "header"), [(0, "1"), (0.2, "1"), (1, "1"), (1.01, "2"), (29.5, "30"), (-5, "1")])
def test_retry_after_is_in_whole_seconds(seconds: float, header: str) -> None:
    told = answer(Unavailable(retry_after=seconds), Challenge(), INSTANCE)
    assert dict(told.headers)["retry-after"] == header


def test_extra_parameters_stand_in_every_challenge_and_are_quoted() -> None:
    guard = Guard(realm='the "orders"', resource_metadata=METADATA, challenge={"scope": "a\\b"})
    extra = f'scope="a\\\\b", resource_metadata="{METADATA}"'
    realm = 'Bearer realm="the \\"orders\\""'
    assert guard.challenge.header(Unauthenticated(Reason.NO_CREDENTIAL)) == f"{realm}, {extra}"
    assert guard.challenge.header(Unauthenticated(Reason.EXPIRED)) == f'{realm}, error="invalid_token", {extra}'
    assert guard.challenge.header(CrossSite()) is None


def test_a_403_beside_resource_metadata_has_no_error() -> None:
    """MCP clients answer insufficient_scope by a whole new authorization."""
    challenge = Challenge(parameters={"resource_metadata": METADATA})
    assert challenge.header(Forbidden()) == f'{BARE}, resource_metadata="{METADATA}"'
    assert 'error="invalid_token"' in str(challenge.header(Unauthenticated(Reason.EXPIRED)))
    assert 'error="insufficient_user' in str(challenge.header(StepUpRequired()))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"realm": ""}, "printable ASCII"),
        ({"realm": "a\r\nX: y"}, "printable ASCII"),
        ({"realm": "caf\u00e9"}, "printable ASCII"),
        ({"realm": None}, "printable ASCII"),
        ({"resource_metadata": "https://x\n"}, "printable ASCII"),
        ({"resource_metadata": ""}, "printable ASCII"),
        ({"challenge": {"x": 1}}, "printable ASCII"),
        ({"challenge": {"a b": "x"}}, "printable ASCII"),
        ({"challenge": {'x="y", z': "x"}}, "printable ASCII"),
        ({"challenge": {"": "x"}}, "printable ASCII"),
        ({"challenge": {"_": "x"}}, "printable ASCII"),
        ({"challenge": {1: "x"}}, "printable ASCII"),
        ({"challenge": {"error": "x"}}, "filled by the refusal"),
        ({"challenge": {"Error": "x"}}, "filled by the refusal"),
        ({"challenge": {"error_description": "x"}}, "filled by the refusal"),
        ({"challenge": {"MAX_AGE": "1"}}, "filled by the refusal"),
        ({"challenge": {"realm": "x"}}, "realm= has a place of its own"),
        ({"challenge": {"Scope": "x", "scope": "y"}}, "leave one of them out"),
        ({"challenge": {"Resource_Metadata": "x"}, "resource_metadata": METADATA}, "leave one of them out"),
    ],
)
def test_what_cannot_stand_in_a_challenge_is_an_error(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Guard(**options)  # type: ignore[arg-type]
    assert words in str(caught.value)
