"""The table: everybody, everywhere, as the application really answers."""

from __future__ import annotations

import re

from .conftest import Played
from .made import csrf_of, post


def cells(played: Played) -> dict[tuple[str, str], str]:
    rows = played.ground.cells(played.ground.with_samples({}), 60)
    return {
        (cell.who.name, cell.route.key): f"{cell.outcome.status or ''} {cell.outcome.word}"
        for row in rows
        for cell in row
    }


def test_each_cell_has_the_real_answer(played: Played) -> None:
    found = cells(played)
    assert found["stranger", "GET /open"] == "200 let in"
    assert found["stranger", "GET /reports"] == "401 no credential"
    assert found["ada", "GET /reports"] == "403 not allowed"
    assert found["ada", "GET /users/{user_id}/orders"] == "200 let in"
    assert found["sam", "GET /reports"] == "200 let in"
    assert found["sam", "* (any other path)"] == "404 in, not found"


def test_what_a_handler_raises_is_shown(played: Played) -> None:
    assert cells(played)["sam", "GET /broken"] == "500 ValueError"
    assert "ValueError: the shelf is empty" in played.page.get(played.cell("sam", "GET /broken")).text


def test_what_may_change_something_is_decided_and_does_not_run(played: Played) -> None:
    found = cells(played)
    assert found["ada", "POST /users/{user_id}/orders"] == " may"
    assert found["sam", "DELETE /reports"] == " may"
    assert found["sam", "POST /users/{user_id}/orders"] == "403 not allowed"
    assert not {"placed", "deleted"} & set(played.ran)
    assert "no handler has run" in played.page.get(played.cell("ada", "POST /users/{user_id}/orders")).text
    assert not {"placed", "deleted"} & set(played.ran)


def test_it_runs_once_it_is_asked_for(played: Played) -> None:
    who = next(each.key for each in played.ground.people if each.name == "sam")
    fields = {"who": who, "route": "DELETE /reports", "body": ""}
    answer = post(played.page, "/call", fields)
    assert answer.status_code == 200
    assert played.ran.count("deleted") == 1
    assert "The handler was run." in answer.text
    assert "&quot;ran&quot;:&quot;deleted&quot;" in answer.text
    played.ground.forget()


def test_handlers_do_not_run_again_with_each_look(played: Played) -> None:
    played.page.get("/")
    before = list(played.ran)
    played.page.get("/")
    assert played.ran == before
    assert post(played.page, "/again", {}).status_code == 303
    played.page.get("/")
    assert len(played.ran) > len(before)


def test_the_page_is_a_table_with_headers_and_says_each_cell_in_words(played: Played) -> None:
    text = played.page.get("/").text
    assert '<th scope="row">' in text
    assert 'scope="col"' in text
    assert 'aria-label="401 no credential: stranger, GET /reports"' in text
    assert 'data-state="no"' in text
    assert "only decided, until you press" in text


def test_a_filter_leaves_routes_out(played: Played) -> None:
    text = played.page.get("/?find=delete+rep").text
    assert text.count('class="route"') == 1
    assert "No route matches" in played.page.get("/?find=nothing-of-the-kind").text


def test_sample_values_can_be_edited(played: Played) -> None:
    text = played.page.get("/?p.user_id=ben").text
    assert 'aria-label="403 not allowed: ada, GET /users/{user_id}/orders"' in text
    assert 'name="p.user_id" value="ben"' in text


def test_a_value_that_no_path_can_have_is_left_out(played: Played) -> None:
    for value in ("a/b", "..", "a%2fb", "", "a?b", "x" * 300):
        assert played.ground.with_samples({"user_id": value})["user_id"] == "ada"


def test_a_page_that_does_not_wait_says_what_is_pending(played: Played) -> None:
    played.ground.forget()
    rows = played.ground.cells(played.ground.with_samples({}), 0)
    assert {cell.outcome.state for row in rows for cell in row} == {"pending"}
    told = played.page.get("/table").json()
    assert told["pending"] == 0
    assert 'id="matrix"' in told["html"]


def test_the_log_has_every_decision_and_whose_it_was(played: Played) -> None:
    played.ground.forget()
    played.page.get("/")
    told = played.page.get("/log?after=0").json()
    assert "stranger: no caller" in told["html"]
    assert "401 no_credential" in told["html"]
    assert played.page.get(f"/log?after={told['last']}").json() == {"html": "", "last": None}
    assert played.page.get("/log?after=x").json()["last"] == told["last"]


def test_nothing_of_a_token_is_in_page_or_log(played: Played) -> None:
    sent = [
        value.rpartition(" ")[2] for each in played.ground.people for value in played.ground.headers_of(each).values()
    ]
    texts = [played.page.get("/").text, played.page.get("/log").text]
    texts += [played.page.get(played.cell(who, "GET /reports")).text for who in ("ada", "sam")]
    for token in sent:
        for text in texts:
            assert token.rpartition(".")[2] not in text
            assert token not in text


def test_there_is_no_script_and_no_style_in_the_page_itself(played: Played) -> None:
    text = played.page.get("/").text
    assert re.findall(r"<script[^>]*>", text) == ['<script src="/static/play.js" defer>']
    assert "<style" not in text
    assert " style=" not in text
    assert not re.search(r"\son\w+=", text)
    assert csrf_of(played.page)


def test_what_is_not_there_is_404(played: Played) -> None:
    assert played.page.get("/cell?who=nobody&route=GET%20/open").status_code == 404
    assert played.page.get("/nowhere").status_code == 404
    for file in ("play.css", "play.js", "icon.svg"):
        assert played.page.get(f"/static/{file}").status_code == 200
