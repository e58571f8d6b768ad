"""Strict reading, the form of a token: every row is signed well, where it can be, and wrong (or odd) in one way."""

from __future__ import annotations

import base64
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from callerid import ConfigurationError, Guard, Reason, Unauthenticated
from callerid.authentication._jws import LONGEST_TOKEN, is_stripped, parse
from callerid.testing._compact import encode, segment

from .made import ISSUER, NOW, assert_silent, google_claims, google_token, make_guard, signed_text

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = encode({"alg": "RS256", "kid": ISSUER.key_set("google").current.kid})
CLAIMS = encode(google_claims())
GOOD = signed_text(HEADER, CLAIMS)
SIGNATURE = GOOD.rpartition(".")[2]

Row = tuple[str, "Callable[[], str]"]


def claims_text(text: str | bytes) -> str:
    return ISSUER.sign(text)


def header_text(text: str | bytes) -> str:
    return ISSUER.sign(google_claims(), text)


def claims_with(member: str) -> str:
    """The usual claims with a member more, written as JSON text."""
    return ISSUER.sign(f"{json.dumps(google_claims())[:-1]},{member}}}")


def header_with(member: str) -> str:
    usual = json.dumps({"alg": "RS256", "kid": ISSUER.key_set("google").current.kid})
    return ISSUER.sign(google_claims(), f"{usual[:-1]},{member}}}")


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    inside = '"x"' if opening == "[" else "1"
    return opening * depth + inside + closing * depth


def loose_bits(part: str) -> str:
    """The same bytes, spelled with unused low bits that are not zero."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


def as_long_as(length: int) -> str:
    """A good token of exactly this many bytes."""
    for filling in range(4):
        header = {"x": "x" * filling}
        bare = len(google_token(header, filling=""))
        for more in range((length - bare) * 3 // 4 - 4, (length - bare) * 3 // 4 + 4):
            token = google_token(header, filling="x" * more)
            if len(token) == length:
                return token
    raise AssertionError(length)


def odd_part(data: str) -> str:
    """JSON text whose base64url is not a whole number of quanta, so that its last letter has unused bits."""
    return segment((data + " " * ((1 - len(data)) % 3)).encode())


ODD_CLAIMS = odd_part(json.dumps(google_claims()))
ODD_HEADER = odd_part(json.dumps({"alg": "RS256", "kid": ISSUER.key_set("google").current.kid}))
DASHED = segment(b'{"a":"??>>~~"}' + b" ")

MALFORMED: list[Row] = [
    ("nothing", lambda: ""),
    ("a dot", lambda: "."),
    ("two dots", lambda: ".."),
    ("three dots", lambda: "..."),
    ("one part", lambda: HEADER),
    ("two parts", lambda: f"{HEADER}.{CLAIMS}"),
    ("four parts", lambda: f"{GOOD}.{SIGNATURE}"),
    ("four parts, the last empty", lambda: f"{GOOD}."),
    ("five parts, as an encrypted token", lambda: f"{GOOD}.{CLAIMS}.{SIGNATURE}"),
    ("a dot in front", lambda: f".{GOOD}"),
    ("an empty header", lambda: signed_text("", CLAIMS)),
    ("empty claims", lambda: signed_text(HEADER, "")),
    ("a padded header", lambda: signed_text(ODD_HEADER + "==", CLAIMS)),
    ("padded claims", lambda: signed_text(HEADER, ODD_CLAIMS + "==")),
    ("claims with half their padding", lambda: signed_text(HEADER, ODD_CLAIMS + "=")),
    ("a padded signature", lambda: GOOD + "=="),
    ("loose bits in the header", lambda: signed_text(loose_bits(ODD_HEADER), CLAIMS)),
    ("loose bits in the claims", lambda: signed_text(HEADER, loose_bits(ODD_CLAIMS))),
    ("loose bits in the signature", lambda: loose_bits(GOOD)),
    ("a letter too many in the header", lambda: signed_text(encode('{"a":1}  ') + "A", CLAIMS)),
    ("a letter too many in the claims", lambda: signed_text(HEADER, segment(b'{"a":1}  ') + "A")),
    ("a letter too many in the signature", lambda: f"{GOOD}AAA"),
    ("the standard alphabet's slash", lambda: signed_text(HEADER, DASHED.replace("_", "/"))),
    ("the standard alphabet's plus", lambda: signed_text(HEADER, segment(b'{"a":">>>~"}').replace("-", "+"))),
    ("a blank in front", lambda: f" {GOOD}"),
    ("a blank behind", lambda: f"{GOOD} "),
    ("a line break behind", lambda: f"{GOOD}\n"),
    ("a line break in the claims", lambda: signed_text(HEADER, f"{CLAIMS[:8]}\n{CLAIMS[8:]}")),
    ("CR LF in the header", lambda: signed_text(f"{HEADER[:8]}\r\n{HEADER[8:]}", CLAIMS)),
    ("a tab", lambda: signed_text(HEADER, f"{CLAIMS[:8]}\t{CLAIMS[8:]}")),
    ("a NUL", lambda: f"{GOOD}\0"),
    ("an Arabic digit", lambda: f"{GOOD[:-4]}\u0661{GOOD[-3:]}"),
    ("a full-width letter", lambda: f"{GOOD[:-4]}\uff21{GOOD[-3:]}"),
    ("a full-width dot", lambda: GOOD.replace(".", "\uff0e")),
    ("an ideographic full stop", lambda: GOOD.replace(".", "\u3002")),
    ("a Kelvin sign", lambda: f"{GOOD[:-4]}\u212a{GOOD[-3:]}"),
    ("a lone surrogate", lambda: f"{GOOD[:-4]}\ud800{GOOD[-3:]}"),
    ("percent-encoded dots", lambda: GOOD.replace(".", "%2E")),
    ("quotation marks around it", lambda: f'"{GOOD}"'),
    ("its scheme in front", lambda: f"Bearer {GOOD}"),
    ("a comma and another", lambda: f"{GOOD},{GOOD}"),
    ("a byte too long", lambda: as_long_as(LONGEST_TOKEN + 1)),
    ("a megabyte", lambda: google_token(filling="x" * 2**20)),
    ("an OAuth access token", lambda: "ya29.a0AfB_byDx"),
    ("an OAuth access token in three parts", lambda: "ya29.c.Kp8B"),
    ("a refresh token", lambda: "1//0gAbCdEf"),
    ("an API key", lambda: "AIzaSyA0000000000000000000000000000000"),
    ("the emulator's owner", lambda: "owner"),
    ("a header that is an array", lambda: header_text("[]")),
    ("a header that is text", lambda: header_text('"alg"')),
    ("a header that is a number", lambda: header_text("1")),
    ("a header that is null", lambda: header_text("null")),
    ("claims that are an array", lambda: claims_text(f"[{json.dumps(google_claims())}]")),
    ("claims that are text", lambda: claims_text('"sub"')),
    ("claims that are a number", lambda: claims_text("1800000000")),
    ("claims that are null", lambda: claims_text("null")),
    ("claims that are true", lambda: claims_text("true")),
    ("junk after the header", lambda: header_text('{"alg":"RS256","kid":"x"} x')),
    ("junk after the claims", lambda: claims_text(json.dumps(google_claims()) + "x")),
    ("two objects", lambda: claims_text(json.dumps(google_claims()) * 2)),
    ("a trailing comma", lambda: claims_text(json.dumps(google_claims())[:-1] + ",}")),
    ("a comment", lambda: claims_text(json.dumps(google_claims()) + "/**/")),
    ("single quotes", lambda: claims_text(str(google_claims()))),
    ("cut claims", lambda: claims_text(json.dumps(google_claims())[:-1])),
    ("blanks alone", lambda: claims_text("   ")),
    ("a number with a leading zero", lambda: claims_with('"x":01')),
    ("a number with a plus", lambda: claims_with('"x":+1')),
    ("a hexadecimal number", lambda: claims_with('"x":0x10')),
    ("a number that ends in its point", lambda: claims_with('"x":1.')),
    ("a number that begins with its point", lambda: claims_with('"x":.5')),
    ("a number of five thousand digits", lambda: claims_with('"x":' + "1" * 5000)),
    ("True, as Python writes it", lambda: claims_with('"x":True')),
    ("BOM before the header", lambda: header_text(b"\xef\xbb\xbf" + b'{"alg":"RS256","kid":"x"}')),
    ("BOM before the claims", lambda: claims_text(b"\xef\xbb\xbf" + json.dumps(google_claims()).encode())),
    ("BOM after the claims", lambda: claims_text(json.dumps(google_claims()).encode() + b"\xef\xbb\xbf")),
    ("UTF-16 claims with BOM", lambda: claims_text(json.dumps(google_claims()).encode("utf-16"))),
    ("UTF-16 claims, little end first", lambda: claims_text(json.dumps(google_claims()).encode("utf-16-le"))),
    ("UTF-16 claims, big end first", lambda: claims_text(json.dumps(google_claims()).encode("utf-16-be"))),
    ("UTF-32 claims", lambda: claims_text(json.dumps(google_claims()).encode("utf-32-le"))),
    ("a UTF-16 header", lambda: header_text('{"alg":"RS256","kid":"x"}'.encode("utf-16-le"))),
    ("Latin-1", lambda: claims_text(b'{"name":"Andr\xe9"}')),
    ("an overlong NUL", lambda: claims_text(b'{"name":"\xc0\x80"}')),
    ("a surrogate in UTF-8", lambda: claims_text(b'{"name":"\xed\xa0\x80"}')),
    ("half a letter", lambda: claims_text(b'{"name":"\xe2\x82"}')),
    ("a raw NUL in a text", lambda: claims_with('"x":"a\0b"')),
    ("a raw NUL behind", lambda: claims_text(json.dumps(google_claims()) + "\0")),
    ("a raw line break in a text", lambda: claims_with('"x":"a\nb"')),
    ("an escaped NUL", lambda: claims_with('"x":"a\\u0000b"')),
    ("an escaped NUL in a name", lambda: claims_with('"a\\u0000b":1')),
    ("an escaped NUL deep inside", lambda: claims_with('"x":[{"y":["\\u0000"]}]')),
    ("an escaped NUL in the issuer", lambda: claims_text('{"iss":"https://accounts.google.com\\u0000"}')),
    ("an escaped NUL in the header", lambda: header_with('"x":"\\u0000"')),
    ("a lone high surrogate", lambda: claims_with('"x":"\\ud83d"')),
    ("a lone low surrogate", lambda: claims_with('"x":"\\ude00"')),
    ("a pair the wrong way round", lambda: claims_with('"x":"\\ude00\\ud83d"')),
    ("a high surrogate before a letter", lambda: claims_with('"x":"\\ud83dx"')),
    ("a lone surrogate in a name", lambda: claims_with('"\\ud83d":1')),
    ("a lone surrogate in a list", lambda: claims_with('"x":["a",["\\udfff"]]')),
    ("a lone surrogate in the header", lambda: header_with('"x":"\\ud800"')),
    ("a claim twice", lambda: claims_with('"sub":"2"')),
    ("a claim twice alike", lambda: claims_with('"iss":"https://accounts.google.com"')),
    ("a claim twice, once escaped", lambda: claims_with('"\\u0073ub":"2"')),
    ("an unknown claim twice", lambda: claims_with('"x":1,"x":1')),
    ("a member twice deep inside", lambda: claims_with('"x":[{"y":1,"y":2}]')),
    ("the algorithm twice", lambda: header_with('"alg":"none"')),
    ("the key id twice", lambda: header_with('"kid":"other"')),
    ("an unknown header member twice", lambda: header_with('"x":1,"x":2')),
    ("NaN", lambda: claims_with('"x":NaN')),
    ("Infinity", lambda: claims_with('"x":Infinity')),
    ("minus Infinity", lambda: claims_with('"x":-Infinity')),
    ("NaN in a list", lambda: claims_with('"x":[[NaN]]')),
    ("NaN in the header", lambda: header_with('"x":NaN')),
    ("a number past every bound", lambda: claims_with('"x":1e999')),
    ("a negative number past every bound", lambda: claims_with('"x":-1e999')),
    ("NaN for a date", lambda: claims_text('{"iss":"accounts.google.com","exp":NaN}')),
    ("arrays nested too deep", lambda: claims_with(f'"x":{nested(32)}')),
    ("objects nested too deep", lambda: claims_with('"x":' + nested(32, '{"y":', "}"))),
    ("both nested too deep", lambda: claims_with('"x":' + nested(16, '[{"y":', "}]"))),
    ("nested far too deep", lambda: claims_text("[" * 4000)),
    ("objects nested far too deep", lambda: claims_text('{"a":' * 700)),
    ("a header nested too deep", lambda: header_with(f'"x":{nested(32)}')),
    ("nested too deep behind brackets in a text", lambda: claims_with(f'"t":"]]]]]]]]]]]]]]]]]]","x":{nested(32)}')),
    ("nested too deep behind an escaped quotation mark", lambda: claims_with(f'"t":"\\"]]]]]]]]","x":{nested(32)}')),
    ("nested too deep behind an escaped backslash", lambda: claims_with(f'"t":"\\\\","x":{nested(32)}')),
    ("nested too deep behind closing brackets", lambda: claims_text("]" * 40 + "[" * 4000)),
    ("nested too deep after an open text", lambda: claims_text('{"a":"' + "[" * 4000)),
    ("crit", lambda: header_with('"crit":["exp"]')),
    ("an empty crit", lambda: header_with('"crit":[]')),
    ("a null crit", lambda: header_with('"crit":null')),
    ("b64 false", lambda: header_with('"b64":false')),
    ("b64 true", lambda: header_with('"b64":true')),
    ("b64 with crit", lambda: header_with('"b64":false,"crit":["b64"]')),
    ("no key id", lambda: header_text('{"alg":"RS256"}')),
    ("an empty key id", lambda: google_token({"kid": ""})),
    ("a null key id", lambda: google_token({"kid": None})),
    ("a number for a key id", lambda: google_token({"kid": 1})),
    ("a list for a key id", lambda: google_token({"kid": [ISSUER.key_set("google").current.kid]})),
    ("an object for a key id", lambda: google_token({"kid": {}})),
    ("true for a key id", lambda: google_token({"kid": True})),
    ("no algorithm", lambda: header_text('{"kid":"x"}')),
    ("an empty algorithm", lambda: google_token({"alg": ""})),
    ("a null algorithm", lambda: google_token({"alg": None})),
    ("a list for an algorithm", lambda: google_token({"alg": ["RS256"]})),
    ("a number for an algorithm", lambda: google_token({"alg": 256})),
    ("no issuer", lambda: claims_text('{"sub":"1"}')),
    ("an empty issuer", lambda: google_token(iss="")),
    ("a null issuer", lambda: google_token(iss=None)),
    ("a number for an issuer", lambda: google_token(iss=1)),
    ("a list of issuers", lambda: google_token(iss=["https://accounts.google.com"])),
    ("an object for an issuer", lambda: google_token(iss={"accounts.google.com": 1})),
]

UNSIGNED: list[Row] = [
    ("alg none, as the emulator mints", lambda: ISSUER.unsigned(GOOD)),
    ("alg none and a key id", lambda: f"{encode({'alg': 'none', 'kid': 'x'})}.{CLAIMS}."),
    ("alg RS256 and no signature", lambda: f"{HEADER}.{CLAIMS}."),
]

STRIPPED: list[Row] = [
    ("as Cloud Run passes it on", lambda: ISSUER.stripped(GOOD)),
    ("with nothing in front", lambda: ".SIGNATURE_REMOVED_BY_GOOGLE"),
    ("with a signature kept in front", lambda: f"{GOOD}.SIGNATURE_REMOVED_BY_GOOGLE"),
]

ACCEPTED: list[Row] = [
    ("the good token itself", lambda: GOOD),
    ("exactly as long as allowed", lambda: as_long_as(LONGEST_TOKEN)),
    ("claims with blanks between", lambda: claims_text(json.dumps(google_claims(), indent=4))),
    ("claims with CR LF and tabs between", lambda: claims_text("\r\n\t" + json.dumps(google_claims()) + "\r\n\t")),
    ("an odd number of bytes", lambda: signed_text(ODD_HEADER, ODD_CLAIMS)),
    ("names beyond ASCII", lambda: google_token(name="Zoë 山田")),
    ("raw UTF-8", lambda: claims_text(json.dumps(google_claims(name="Zoë 😀"), ensure_ascii=False))),
    ("a proper pair of surrogates", lambda: claims_with('"x":"\\ud83d\\ude00"')),
    ("a proper pair in a name", lambda: claims_with('"\\ud83d\\ude00":1')),
    ("an escaped letter", lambda: claims_with('"x":"\\u00e9"')),
    ("an escaped backslash before u0000", lambda: claims_with('"x":"\\\\u0000"')),
    ("DEL and other odd letters", lambda: google_token(x="\x7f\u200b\u202e")),
    ("one name at two levels", lambda: claims_with('"x":{"sub":"2","x":{"x":1}}')),
    ("two names that differ in case", lambda: claims_with('"X":1,"x":2')),
    ("arrays nested as deep as allowed", lambda: claims_with(f'"x":{nested(31)}')),
    ("objects nested as deep as allowed", lambda: claims_with('"x":' + nested(31, '{"y":', "}"))),
    ("as deep as allowed, and more beside it", lambda: claims_with(f'"w":[],"x":{nested(31)},"y":[[]]')),
    ("as deep as allowed, twice", lambda: claims_with(f'"x":{nested(31)},"y":{nested(31)}')),
    ("a hundred arrays side by side", lambda: claims_with(f'"x":[{",".join(["[]"] * 100)}]')),
    ("brackets in a text", lambda: google_token(x="[{" * 500)),
    ("closing brackets in a text", lambda: google_token(x="]}" * 500)),
    ("brackets after an escaped quotation mark", lambda: google_token(x='"' + "[" * 500)),
    ("brackets after an escaped backslash", lambda: google_token(x="\\" + "[" * 500)),
    ("a header nested as deep as allowed", lambda: header_with(f'"x":{nested(31)}')),
    ("no typ", lambda: header_text(json.dumps({"alg": "RS256", "kid": ISSUER.key_set("google").current.kid}))),
    ("another typ", lambda: google_token({"typ": "at+jwt"})),
    ("a typ that is no text", lambda: google_token({"typ": 1})),
    ("unknown header members", lambda: google_token({"x": [1], "cty": "JWT", "zip": "DEF"})),
    ("a tiny number", lambda: claims_with('"x":1e-999')),
    ("a large number", lambda: claims_with('"x":1e308')),
    ("a number of four thousand digits", lambda: claims_with('"x":' + "1" * 4000)),
]


def rows(table: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("make", [make for _, make in table], ids=[name for name, _ in table])


def refused(guard: Guard, token: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        guard.verify(token)
    assert_silent(caught.value, token)
    return caught.value


@rows(MALFORMED)
def test_a_token_of_another_form_is_refused(guard: Guard, make: Callable[[], str]) -> None:
    assert refused(guard, make()).reason is Reason.MALFORMED_TOKEN


@rows(UNSIGNED)
def test_an_unsigned_token_is_refused_and_the_log_told_what_to_do(guard: Guard, make: Callable[[], str]) -> None:
    refusal = refused(guard, make())
    assert refusal.reason is Reason.UNSIGNED
    assert "LocalIssuer" in refusal.remedy


@rows(STRIPPED)
def test_a_stripped_token_is_refused_and_the_log_told_what_to_do(guard: Guard, make: Callable[[], str]) -> None:
    refusal = refused(guard, make())
    assert refusal.reason is Reason.SIGNATURE_REMOVED
    assert "Cloud Run" in refusal.remedy
    assert is_stripped(make())


@rows(ACCEPTED)
def test_an_odd_but_legal_token_is_read(guard: Guard, make: Callable[[], str]) -> None:
    assert str(guard.verify(make())) == "user:ada@example.com"


def test_a_token_is_taken_apart() -> None:
    token = parse(GOOD)
    assert (token.kid, token.algorithm, token.issuer) == (
        ISSUER.key_set("google").current.kid,
        "RS256",
        "https://accounts.google.com",
    )
    assert token.claims["iat"] == NOW
    assert token.signed == GOOD.rpartition(".")[0].encode()
    assert segment(token.signature) == SIGNATURE
    assert not is_stripped(GOOD)


def test_a_part_is_read_if_and_only_if_its_bytes_encode_to_it_again() -> None:
    def canonical(part: str) -> bool:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode() == part

    every = [chr(byte) for byte in range(128) if chr(byte) != "."]
    letters = [letter for letter in every if letter.isalnum() or letter in "-_"]
    endings = ["".join(pair) for pair in itertools.product(letters, letters)]
    odd = [f"AA{letter}A" for letter in every] + [f"AAA{letter}" for letter in every]
    head = ".".join(GOOD.split(".")[:2])
    for part in ["A", "AAAAA", *endings, *(f"A{ending}" for ending in endings), *odd]:
        legal = len(part) % 4 != 1 and set(part) <= set(letters) and canonical(part)
        try:
            data = parse(f"{head}.{part}").signature
        except Unauthenticated:
            assert not legal, part
        else:
            assert legal, part
            assert base64.urlsafe_b64encode(data).rstrip(b"=").decode() == part


def test_a_token_is_never_printed() -> None:
    assert repr(parse(GOOD)) == str(parse(GOOD)) == "<Token, not verified>"


def test_what_is_wrong_is_said_without_the_token() -> None:
    with pytest.raises(Unauthenticated, match="expected three parts of canonical base64url, got 2 part") as caught:
        parse("a.b")
    assert caught.value.__context__ is None
    with pytest.raises(Unauthenticated, match="OAuth access token"):
        parse("ya29.abc")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: claims_with('"x":1,"x":1'), "expected a claims in strict JSON, got a duplicate member"),
        (lambda: claims_with('"x":NaN'), "got NaN or Infinity"),
        (lambda: claims_with('"x":1e999'), "got a number that is not finite"),
        (lambda: claims_text(b"\xff"), "got bytes that are not UTF-8"),
        (lambda: claims_text("{"), "got text that is not JSON"),
        (lambda: header_text("[]"), "expected a header that is a JSON object, got a list"),
        (lambda: header_text("[" * 33), "expected a header nested at most 32 deep, got more"),
        (lambda: claims_with('"x":"\\u0000"'), "got a NUL or a lone surrogate"),
        (lambda: header_with('"crit":[]'), "expected a header without extensions, got crit or b64"),
        (lambda: header_text('{"alg":"RS256"}'), "expected a header whose kid is text, got none"),
        (lambda: google_token({"kid": 1}), "expected a header whose kid is text, got a int"),
        (lambda: "x" * 8193, "expected a token of at most 8192 bytes, got 8193 characters"),
        (lambda: GOOD + "=", "got characters that are not canonical base64url"),
    ],
)
def test_the_log_learns_what_was_wrong(make: Callable[[], str], words: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        parse(make())
    assert words in caught.value.detail


@pytest.mark.parametrize(
    "claims",
    [
        '{"a":"' + '\\"' * 2800 + "[" * 40,
        "[{}]," * 33 + '"' + '\\"' * 2800,
        "[" * 33 + '"\\' * 2800,
        '"' * 5701 + "[" * 40,
    ],
)
def test_a_text_that_is_hard_to_read_is_refused(claims: str) -> None:
    # What that costs is measured by bench/verifying.py.
    token = f"{HEADER}.{segment(claims.encode())}.{SIGNATURE}"
    assert len(token) <= LONGEST_TOKEN
    with pytest.raises(Unauthenticated):
        parse(token)


# --- the limit ---


def test_the_limit_is_a_setting() -> None:
    token = google_token(padding="x" * 9000)
    with pytest.raises(Unauthenticated, match="at most 8192 bytes"):
        make_guard().verify(token)
    guard = make_guard(longest_token=16_384)
    assert guard.verify(token).subject
    with pytest.raises(Unauthenticated, match="at most 16384 bytes"):
        guard.verify(google_token(padding="x" * 13_000))
    with pytest.raises(Unauthenticated, match="at most 100 bytes"):
        make_guard(longest_token=100).verify(google_token())


@pytest.mark.parametrize("limit", [0, -1, 16_385, 8192.0, True, "8192", None, float("inf")])
def test_a_limit_beyond_what_is_safe_is_an_error(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match="1 to 16384 bytes"):
        make_guard(longest_token=limit)


def test_a_guard_with_another_limit_does_not_take_what_was_remembered_under_a_higher_one() -> None:
    token = google_token(padding="x" * 9000)
    guard = make_guard(longest_token=16_384, memory=7)
    guard.verify(token)
    alike, shorter = Guard.like(guard), Guard.like(guard, longest_token=8192)
    assert alike.verify(token)
    with pytest.raises(Unauthenticated, match="at most 8192 bytes"):
        shorter.verify(token)
    assert shorter.authenticator.cache.size == 7
    assert shorter.authenticator.keys is guard.authenticator.keys
