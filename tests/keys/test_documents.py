from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from callerid.keys._documents import DocumentError
from callerid.keys._key import Algorithm, Key
from callerid.keys._verifiers import keys

from .made import (
    MESSAGE,
    base64url,
    certificate_pem,
    ec_jwk,
    ec_key,
    es256,
    jwk_set,
    pem,
    pem_map,
    private_pem,
    rs256,
    rsa_jwk,
    rsa_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable

RSA_SHAPES: list[Callable[[], bytes]] = [
    lambda: pem_map({"a": pem(rsa_key())}),
    lambda: pem_map({"a": certificate_pem(rsa_key())}),
    lambda: jwk_set(rsa_jwk("a")),
    lambda: jwk_set(rsa_jwk("a", use="sig", alg="RS256", key_ops=["verify"])),
]
EC_SHAPES: list[Callable[[], bytes]] = [
    lambda: pem_map({"a": pem(ec_key())}),
    lambda: pem_map({"a": certificate_pem(ec_key())}),
    lambda: jwk_set(ec_jwk("a")),
    lambda: jwk_set(ec_jwk("a", use="sig", alg="ES256", key_ops=["sign", "verify"])),
]


@pytest.mark.parametrize("shape", RSA_SHAPES)
def test_rsa_keys_are_read_from_either_shape(shape: Callable[[], bytes]) -> None:
    key = keys(shape(), "RS256")["a"]
    signature = rs256(rsa_key())
    assert (key.kid, key.algorithm, key.signature_bytes) == ("a", "RS256", 256)
    assert key.verify(MESSAGE, signature)
    assert not key.verify(MESSAGE + b"x", signature)
    assert not key.verify(MESSAGE, b"\0" + signature)
    assert not key.verify(MESSAGE, signature[:-1])
    assert not key.verify(MESSAGE, b"")
    assert not key.verify(MESSAGE, rs256(rsa_key("other")))


@pytest.mark.parametrize("shape", EC_SHAPES)
def test_p256_keys_are_read_from_either_shape(shape: Callable[[], bytes]) -> None:
    key = keys(shape(), "ES256")["a"]
    signature = es256(ec_key())
    assert (key.kid, key.algorithm, key.signature_bytes) == ("a", "ES256", 64)
    assert key.verify(MESSAGE, signature)
    assert not key.verify(MESSAGE + b"x", signature)
    assert not key.verify(MESSAGE, signature + b"\0")
    assert not key.verify(MESSAGE, ec_key().sign(MESSAGE, ec.ECDSA(_sha256())))
    assert not key.verify(MESSAGE, bytes(64))
    assert not key.verify(MESSAGE, b"\xff" * 64)


def _sha256() -> Any:
    from cryptography.hazmat.primitives.hashes import SHA256

    return SHA256()


def test_an_error_inside_the_verifier_is_a_no() -> None:
    class Broken:
        def verify(self, message: bytes, signature: bytes) -> bool:
            raise RuntimeError

    assert not Key("a", "RS256", 1, b"", Broken()).verify(b"", b"x")


def test_keys_are_compared_by_identity_and_print_no_material() -> None:
    body = pem_map({"a": pem(rsa_key())})
    first, second = keys(body, "RS256")["a"], keys(body, "RS256")["a"]
    assert first != second
    assert first.material == second.material
    assert repr(first) == "Key(kid='a', algorithm='RS256', signature_bytes=256)"


def test_the_algorithm_takes_its_own_keys_whatever_else_a_set_publishes() -> None:
    body = jwk_set(rsa_jwk("rsa"), ec_jwk("ec"))
    assert list(keys(body, "RS256")) == ["rsa"]
    assert list(keys(body, "ES256")) == ["ec"]
    body = pem_map({"rsa": pem(rsa_key()), "ec": pem(ec_key())})
    assert list(keys(body, "RS256")) == ["rsa"]
    assert list(keys(body, "ES256")) == ["ec"]


UNUSABLE: list[Callable[[], object]] = [
    lambda: rsa_jwk("b", use="enc"),
    lambda: rsa_jwk("b", use=None),
    lambda: rsa_jwk("b", alg="RS512"),
    lambda: rsa_jwk("b", alg="ES256"),
    lambda: rsa_jwk("b", key_ops=["encrypt"]),
    lambda: rsa_jwk("b", key_ops=[]),
    lambda: rsa_jwk("b", key_ops=3),
    lambda: rsa_jwk("b", key_ops="verify"),
    lambda: rsa_jwk("b", kty="EC"),
    lambda: rsa_jwk("b", kty="OKP", crv="Ed25519"),
    lambda: rsa_jwk("b", kty=7),
    lambda: {"kid": "b"},
    lambda: rsa_jwk("b", n="AQAB"),
    lambda: rsa_jwk("b", n=""),
    lambda: rsa_jwk("b", n=5),
    lambda: rsa_jwk("b", n="a+b/"),
    lambda: rsa_jwk("b", n="AQABA"),
    lambda: rsa_jwk("b", e="Ag"),
    lambda: rsa_jwk("b", rsa_key("weak", 1024)),
    lambda: rsa_jwk(""),
    lambda: rsa_jwk(7),
    lambda: rsa_jwk(None),
    lambda: rsa_jwk("\ud800"),
    lambda: {name: value for name, value in rsa_jwk("b").items() if name != "kid"},
    lambda: "a string",
    lambda: None,
]


@pytest.mark.parametrize("entry", UNUSABLE)
def test_unusable_neighbours_are_skipped(entry: Callable[[], object]) -> None:
    assert list(keys(jwk_set(entry(), rsa_jwk("good")), "RS256")) == ["good"]


UNUSABLE_EC: list[Callable[[], object]] = [
    lambda: ec_jwk("b", ec_key("k", ec.SECP256K1)),
    lambda: ec_jwk("b", ec_key("k", ec.SECP256K1), crv="P-256"),
    lambda: ec_jwk("b", ec_key("k", ec.SECP384R1)),
    lambda: ec_jwk("b", ec_key("k", ec.SECP384R1), crv="P-256"),
    lambda: ec_jwk("b", crv="P-384"),
    lambda: ec_jwk("b", alg="RS256"),
    lambda: ec_jwk("b", x=base64url(1, 32)),
    lambda: ec_jwk("b", x=base64url(ec_key().public_key().public_numbers().x, 33)),
]


@pytest.mark.parametrize("entry", UNUSABLE_EC)
def test_curves_other_than_p256_are_skipped(entry: Callable[[], object]) -> None:
    assert list(keys(jwk_set(entry(), ec_jwk("good")), "ES256")) == ["good"]


def test_unusable_pem_neighbours_are_skipped() -> None:
    neighbours = {
        "": pem(rsa_key()),
        "number": 7,
        "list": [pem(rsa_key())],
        "junk": "-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----",
        "text": "no PEM at all",
        "weak": pem(rsa_key("weak", 1024)),
        "weak certificate": certificate_pem(rsa_key("weak", 1024)),
        "good": pem(rsa_key()),
    }
    assert list(keys(pem_map(neighbours), "RS256")) == ["good"]
    curves = {"p384": pem(ec_key("k", ec.SECP384R1)), "k1": pem(ec_key("k", ec.SECP256K1)), "good": pem(ec_key())}
    assert list(keys(pem_map(curves), "ES256")) == ["good"]


def test_two_keys_under_one_kid_are_both_dropped_from_a_jwk_set() -> None:
    body = jwk_set(rsa_jwk("twice"), rsa_jwk("once"), rsa_jwk("twice", rsa_key("other")))
    assert list(keys(body, "RS256")) == ["once"]
    assert list(keys(jwk_set(rsa_jwk("twice"), ec_jwk("twice"), rsa_jwk("once")), "RS256")) == ["once"]


def test_two_keys_under_one_kid_are_both_dropped_from_a_pem_map() -> None:
    first, other = json.dumps(pem(rsa_key())), json.dumps(pem(rsa_key("other")))
    body = f'{{"twice": {first}, "once": {first}, "twice": {other}}}'.encode()
    assert list(keys(body, "RS256")) == ["once"]


def test_a_jwk_with_a_member_twice_is_dropped() -> None:
    jwk = json.dumps(rsa_jwk("twice"))[:-1] + ', "kid": "twice"}'
    body = f'{{"keys": [{jwk}, {json.dumps(rsa_jwk("good"))}]}}'.encode()
    assert list(keys(body, "RS256")) == ["good"]


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_set_with_a_private_key_in_it_is_refused_whole(member: str) -> None:
    with pytest.raises(DocumentError, match="private"):
        keys(jwk_set(rsa_jwk("good"), {**rsa_jwk("leaked"), member: "AQAB"}), "RS256")


def test_a_symmetric_or_single_private_jwk_is_refused() -> None:
    with pytest.raises(DocumentError, match="symmetric"):
        keys(jwk_set(rsa_jwk("good"), {"kty": "oct", "kid": "b"}), "RS256")
    with pytest.raises(DocumentError, match="private"):
        keys(json.dumps(rsa_jwk("single", d="AQAB")).encode(), "RS256")


def test_a_pem_map_with_a_private_key_in_it_is_refused_whole() -> None:
    for leaked in (private_pem(rsa_key()), "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN ENCRYPTED PRIVATE KEY-----"):
        with pytest.raises(DocumentError, match="private"):
            keys(pem_map({"good": pem(rsa_key()), "leaked": leaked}), "RS256")
    escaped = rb'{"leaked": "-----BEGIN PRIVATE\u0020KEY-----"}'
    with pytest.raises(DocumentError, match="private"):
        keys(escaped, "RS256")


PUBLIC, SECRET = json.dumps(pem(rsa_key())), json.dumps("-----BEGIN PRIVATE KEY-----")
SECRET_JWK = json.dumps(rsa_jwk("leaked", d="AQAB"))


@pytest.mark.parametrize(
    "beside",
    [
        f'"again": {SECRET}, "again": {PUBLIC}',
        f'"notes": [{PUBLIC}, [{SECRET}]]',
        f'"notes": {{"old": {SECRET}}}',
        f'"leaked": {SECRET_JWK}',
        f'"leaked": {SECRET_JWK}, "leaked": 1',
        f'"notes": {{"old": [{SECRET_JWK}]}}',
    ],
)
@pytest.mark.parametrize("good", [f'"good": {PUBLIC}', f'"keys": [{json.dumps(rsa_jwk("good"))}]'])
def test_a_private_key_is_found_wherever_it_stands(good: str, beside: str) -> None:
    assert set(keys(f"{{{good}}}".encode(), "RS256")) == {"good"}
    with pytest.raises(DocumentError, match="private"):
        keys(f"{{{good}, {beside}}}".encode(), "RS256")
    with pytest.raises(DocumentError, match="private"):
        keys(f"{{{beside}, {good}}}".encode(), "RS256")


def test_a_private_key_among_the_keys_of_a_set_as_text_is_found() -> None:
    with pytest.raises(DocumentError, match="private"):
        keys(f'{{"keys": [{json.dumps(rsa_jwk("good"))}, {SECRET}]}}'.encode(), "RS256")


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "not JSON"),
        (b"<!doctype html><title>Sign in</title>", "not JSON"),
        (b"{} {}", "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": Infinity}', "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (codecs.BOM_UTF8 + b"{}", "not JSON"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b'{"\xff": "a"}', "not UTF-8"),
        (b"[]", "neither"),
        (b'"text"', "neither"),
        (b"null", "neither"),
        (b'{"keys": [], "keys": []}', "more than once"),
        (b"{}", "no usable RS256 key"),
        (b'{"keys": []}', "no usable RS256 key"),
        (b'{"keys": {}}', "no usable RS256 key"),
        (b'{"error": "not found"}', "no usable RS256 key"),
    ],
)
def test_a_document_that_is_no_key_document_is_refused(body: bytes, cause: str) -> None:
    algorithm: Algorithm = "RS256"
    with pytest.raises(DocumentError, match=cause):
        keys(body, algorithm)


def test_a_kid_named_keys_is_fine_in_a_pem_map() -> None:
    assert list(keys(pem_map({"keys": pem(rsa_key())}), "RS256")) == ["keys"]
