"""access.toml: read whole, or one line that says what and where."""

from __future__ import annotations

import pytest

from callerid.access import read_suite
from callerid.errors import ConfigurationError

TEXT = """
app = "app:app"

[personas.stranger]
may = ["GET /health"]
may_not = "everything else"

[personas.ada]
firebase_user = "ada"
claims = { role = "admin" }
signed_in_ago = 60
via = "gateway@shop-prod.iam.gserviceaccount.com"
app = "1:1234:web:abcd"
may = ["GET /health", "WS /live"]
may_not = ["GET /users/ben"]
"""


def test_it_is_read_into_cases() -> None:
    suite = read_suite(TEXT, "access.toml")
    assert suite.application == "app:app"
    assert list(map(str, suite.cases)) == [
        "stranger may GET /health",
        "stranger may not WS /live",
        "stranger may not GET /users/ben",
        "ada may GET /health",
        "ada may WS /live",
        "ada may not GET /users/ben",
    ]
    ada = suite.cases[-1].persona
    assert (ada.kind, ada.who, ada.options) == (
        "firebase_user",
        "ada",
        {"claims": {"role": "admin"}, "signed_in_ago": 60},
    )
    assert (ada.via, ada.app) == ("gateway@shop-prod.iam.gserviceaccount.com", "1:1234:web:abcd")
    assert [persona.name for persona in suite.rest] == ["stranger"]


def test_nothing_but_everything_else_is_enough() -> None:
    suite = read_suite("[personas.a]\nmay_not = 'everything else'", "access.toml")
    assert (suite.cases, [persona.name for persona in suite.rest]) == ((), ["a"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("may =", "it is not TOML: Invalid value (at end of document)"),
        ("", "no personas: write [personas.NAME] for each"),
        ("personas = 1", "no personas"),
        ("app = 1\n[personas.a]\nmay = []", "app is a string such as 'app:app'"),
        ("site = 1\n[personas.a]\nmay = []", "site is a host such as 'shop.example.com'"),
        ("site = 'https://a.b'\n[personas.a]\nmay = []", "site is a host"),
        ("persona = {}", "'persona' is unknown here"),
        ("[personas]\na = 1", "[personas.a] is not a table"),
        ("[personas.a]\nmay = []", "a has no calls"),
        ("[personas.a]\nmay_not = 'all'", "a.may_not is an array of calls such as 'GET /health', or the text 'every"),
        ("[personas.a]\nmay = 'everything else'", "a.may is an array of calls such as 'GET /health'"),
        ("[personas.a]\nmay = [1]", "a.may is an array of calls"),
        ("[personas.a]\nmay = ['/x']", "a.may: '/x' is not a call: write 'GET /users/ada', or 'WS /live'"),
        ("[personas.a]\nmay = ['get /x']", "a.may: 'get /x' is not a call"),
        ("[personas.a]\nmay = ['GET /x?a=1']", "is not a call"),
        ("[personas.a]\nmay = ['GET /users/{id}']", "is not a call"),
        ("[personas.a]\nmay = ['GET /x']\nmay_not = ['GET /x']", "a: 'GET /x' is there twice"),
        ("[personas.a]\nperson = 'a'\nfirebase_user = 'b'", "a is person and firebase_user"),
        ("[personas.a]\nperson = 1\nmay = ['GET /x']", "a: person is a string"),
        ("[personas.a]\nvia = 1\nmay = ['GET /x']", "a: via is a string"),
        ("[personas.a]\napp = 1\nmay = ['GET /x']", "a: app is a string"),
        ("[personas.a]\napp = 'web'\nmay = ['GET /x']", "App takes the ids of apps"),
        ("[personas.a]\nuser = 'a'\nmay = ['GET /x']", "a: 'user' is not a setting of a stranger"),
        (
            "[personas.a]\nperson = 'a'\ntenant = 't'\nmay = ['GET /x']",
            "a: 'tenant' is not a setting of a person",
        ),
        ("[personas.a]\nperson = 'a'\naudience = 1\nmay = ['GET /x']", "a: audience is 1, and has to be of type str"),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_suite(text, "access.toml")
    assert str(raised.value).startswith("access.toml: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
