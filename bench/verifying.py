"""One token at a time: unseen, seen, refused, on RSA and on P-256."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import google.auth.jwt
import joserfc.jwk
import joserfc.jwt
import jwt as pyjwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.measure import Row, ratios, turns
from callerid import Domain, Guard, KeyDocument, Rule
from callerid import google as google_issuer
from callerid.issuers import Issuer
from callerid.keys import Wait
from callerid.testing import LocalIssuer

__all__ = ["SEEN_FLOOR", "UNSEEN_FLOOR", "decoded", "judged_by", "rows", "token_of_900_bytes"]

AUDIENCE = "1234-abc.apps.googleusercontent.com"
RULE = Domain("example.com")
UNSEEN_FLOOR = "floor: raw verify, base64 and JSON, no check"
SEEN_FLOOR = "floor: a digest looked up, no check"


def rows() -> Iterator[Row]:
    """All rows about single tokens."""
    yield from _rsa()
    yield from _p256()
    yield from _refusing()
    yield from _reading()


def _guard(issuer: Issuer, memory: int) -> Callable[[str], object]:
    judged = judged_by(issuer, memory)
    return lambda token: judged(_sent(token))


def judged_by(issuer: Issuer, memory: int, rule: Rule = RULE) -> Callable[[Mapping[str, list[str]]], object]:
    guard = Guard(issuer, memory=memory)
    requirement = guard.requirement(rule)

    def judged(sent: Mapping[str, list[str]]) -> object:
        identity = guard.identify(sent)
        if isinstance(identity, Wait):
            raise TypeError("the keys are at hand, so there is nothing to wait for")
        return guard.judge(requirement, identity, {})

    return judged


def _sent(token: str) -> Mapping[str, list[str]]:
    return {"authorization": ["Bearer " + token]}


def token_of_900_bytes(issuer: LocalIssuer) -> str:
    """A Workspace person's token, with a picture and a name as Google sends them."""
    claims = {"name": "Ada Example", "picture": "https://lh3.example.com/a/" + "p" * 60, "at_hash": "h" * 22}
    return issuer.workspace_person("ada@example.com", audience=AUDIENCE, claims=claims)


def _rsa() -> Iterator[Row]:
    issuer = LocalIssuer()
    token = token_of_900_bytes(issuer)
    unseen, seen = judged_by(issuer.google(AUDIENCE), 0), judged_by(issuer.google(AUDIENCE), 4096)
    sent = _sent(token)
    pem = next(iter(json.loads(issuer.pem_document("google")).values()))
    public = x509.load_pem_x509_certificate(pem.encode()).public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise TypeError("Google's keys are RSA keys")
    decode: Any = google.auth.jwt.decode
    signed, signature = token.rpartition(".")[0].encode(), decoded(token.rpartition(".")[2])
    scheme, digest = padding.PKCS1v15(), hashes.SHA256()
    certificates = json.loads(issuer.pem_document("google"))
    text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jose = joserfc.jwk.RSAKey.import_key(text)
    pyjwt_key = pyjwt.PyJWK(json.loads(issuer.jwks_document("google"))["keys"][0])
    registry = joserfc.jwt.JWTClaimsRegistry(aud={"essential": True, "value": AUDIENCE})

    def with_joserfc() -> None:
        registry.validate(joserfc.jwt.decode(token, jose, algorithms=["RS256"]).claims)

    def with_nothing_checked() -> None:
        header, payload, signature = token.split(".")
        public.verify(decoded(signature), token.rpartition(".")[0].encode(), scheme, digest)
        json.loads(decoded(header))
        json.loads(decoded(payload))

    known: dict[bytes, str] = {}
    found = turns(
        {
            "raw RSA-2048 verify (cryptography)": lambda: public.verify(signature, signed, scheme, digest),
            "callerid, unseen": lambda: unseen(sent),
            "callerid, seen": lambda: seen(sent),
            "google-auth, certificates in hand": lambda: decode(token, certificates, audience=AUDIENCE),
            "PyJWT": lambda: pyjwt.decode(token, pyjwt_key, algorithms=["RS256"], audience=AUDIENCE),
            "joserfc": with_joserfc,
            UNSEEN_FLOOR: with_nothing_checked,
            SEEN_FLOOR: lambda: known.setdefault(sha256(token.encode()).digest(), token),
        }
    )
    shown = ratios(found, "raw RSA-2048 verify (cryptography)")
    section = f"verify a token of {len(token)} bytes, RS256 (raw RSA-2048 verify = 1.0)"
    for name, ratio in shown.items():
        yield Row(section, name, ratio)
    beside = ratios(found, UNSEEN_FLOOR)["callerid, unseen"]
    yield Row(f"unseen token, RS256 ({UNSEEN_FLOOR} = 1.0)", "callerid", beside, "≤", 1.25)
    beside = ratios(found, SEEN_FLOOR)["callerid, seen"]
    yield Row(f"token seen before ({SEEN_FLOOR} = 1.0)", "callerid", beside, "≤", 3)


def _p256() -> Iterator[Row]:
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    members = {name: _encoded(getattr(numbers, name).to_bytes(32, "big")) for name in ("x", "y")}
    document = json.dumps(
        {"keys": [{"kty": "EC", "crv": "P-256", "kid": "p256", "alg": "ES256", "use": "sig", **members}]}
    )
    template = LocalIssuer()
    claims = json.loads(decoded(token_of_900_bytes(template).split(".")[1]))
    signed = f"{_encoded(json.dumps({'alg': 'ES256', 'kid': 'p256'}).encode())}.{_encoded(json.dumps(claims).encode())}"
    der = key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    token = f"{signed}.{_encoded(_raw(der))}"
    issuer = replace(google_issuer(AUDIENCE, keys=KeyDocument(document)), algorithm="ES256")
    judged, public, algorithm = judged_by(issuer, 0), key.public_key(), ec.ECDSA(hashes.SHA256())
    sent = _sent(token)

    def with_nothing_checked() -> None:
        header, payload, signature = token.split(".")
        numbers = decoded(signature)
        halves = (int.from_bytes(half, "big") for half in (numbers[:32], numbers[32:]))
        public.verify(encode_dss_signature(*halves), token.rpartition(".")[0].encode(), algorithm)
        json.loads(decoded(header))
        json.loads(decoded(payload))

    found = turns({UNSEEN_FLOOR: with_nothing_checked, "callerid": lambda: judged(sent)})
    section = f"unseen token, ES256 ({UNSEEN_FLOOR} = 1.0)"
    yield Row(section, "callerid", ratios(found, UNSEEN_FLOOR)["callerid"], "≤", 1.25)


def _refusing() -> Iterator[Row]:
    issuer = LocalIssuer()
    token = token_of_900_bytes(issuer)
    judged = _guard(issuer.google(AUDIENCE), 0)
    bad = {
        "malformed": token[:-1] + "=",
        "unknown kid": issuer.wrong_kid(token),
        "expired": issuer.expired(token),
        "forged": issuer.forged(token),
    }
    calls: dict[str, Callable[[], object]] = {"accepted": lambda: judged(token)}
    calls |= {name: _refused(judged, text) for name, text in bad.items()}
    shown = ratios(turns(calls), "accepted")
    for name in bad:
        # A forged signature costs a signature check by its nature, and then the refusal itself.
        yield Row("refuse a token (accepting one of that size = 1.0)", name, shown[name], "≤", 1.0)


def _reading() -> Iterator[Row]:
    """Claims that a careless reader would go through again and again: their double length costs double."""
    issuer = LocalIssuer()
    judged = _guard(issuer.google(AUDIENCE), 0)
    header, _, signature = token_of_900_bytes(issuer).split(".")
    texts: dict[str, Callable[[int], str]] = {
        "plain": lambda length: '{"a":"' + "x" * length,
        "escapes, then brackets": lambda length: '{"a":"' + '\\"' * (length // 2) + "[" * 40,
        "brackets, then escapes": lambda length: "[{}]," * 33 + '"' + '\\"' * (length // 2),
        "open brackets, then escapes": lambda length: "[" * 33 + '"\\' * (length // 2),
        "quotation marks": lambda length: '"' * length + "[" * 40,
    }
    for name, text in texts.items():
        calls = {
            str(length): _refused(judged, f"{header}.{_encoded(text(length).encode())}.{signature}")
            for length in (2800, 5600)
        }
        growth = ratios(turns(calls), "2800")["5600"]
        yield Row("refuse claims of 5.6 kB that are no JSON (half that length = 1.0)", name, growth, "≤", 2.2)


def _refused(judged: Callable[[str], object], token: str) -> Callable[[], object]:
    from callerid import Refusal

    def call() -> object:
        try:
            return judged(token)
        except Refusal as refusal:
            return refusal

    return call


def _raw(der: bytes) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
