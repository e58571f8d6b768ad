"""One cell explained."""

from __future__ import annotations

from .conftest import Played


def test_a_refusal_shows_which_leaf_said_no_and_what_would_have_said_yes(played: Played) -> None:
    text = played.page.get(played.cell("ada", "DELETE /reports")).text
    assert 'data-holds="no"' in text
    assert "<code>domain:example.com</code>" in text
    assert "not_allowed" in text
    assert "What would have said yes" in text
    assert "write | FirebaseUser(&#x27;ada&#x27;)" in text
    assert "admits firebase:shop-prod/ada and nobody else" in text


def test_a_yes_is_explained_too(played: Played) -> None:
    text = played.page.get(played.cell("sam", "DELETE /reports")).text
    assert text.count('data-holds="yes"') == 3  # all of, the domain, the role of the file
    assert 'data-holds="no"' not in text
    assert "What would have said yes" not in text


def test_a_stranger_is_told_to_send_a_credential(played: Played) -> None:
    text = played.page.get(played.cell("stranger", "GET /reports")).text
    assert "send a credential of somebody whom the rule admits" in text
    assert "No credential was sent." in text


def test_claims_are_facts_or_hearsay(played: Played) -> None:
    text = played.page.get(played.cell("ada", "GET /users/{user_id}/orders")).text
    assert "signed by https://securetoken.google.com/shop-prod" in text
    assert "Firebase: the user&#x27;s uid in this project" in text
    assert 'data-kind="fact"' in text
    assert "the sign-in providers: what each calls this user" in text


def test_scripts_get_the_details_and_the_cell_alone(played: Played) -> None:
    told = played.page.get(played.cell("ada", "GET /reports"), headers={"X-Part": "1"}).json()
    assert told["html"].startswith("<article")
    assert told["cell"].startswith("<a")
    whole = played.page.get(played.cell("ada", "GET /reports")).text
    assert "Back to the table" in whole
    assert told["html"].partition("</h2>")[0] in whole
