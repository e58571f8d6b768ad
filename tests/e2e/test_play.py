"""The access page in a real browser: clicked, driven by keys alone, on a phone, in light and dark, from other sites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import expect

from callerid.audit._lock import locked
from callerid.audit._reading import access_map
from callerid.play._serving import serving
from callerid.play._session import Playground
from callerid.play._web import access_page
from tests.play.made import shop, suite

from .conftest import Browse
from .sites import Certificate, elsewhere

pytestmark = pytest.mark.e2e


@dataclass
class Played:
    """The shop, what its handlers did, and where its page is."""

    ground: Playground
    address: str
    ran: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@pytest.fixture
def played() -> Iterator[Played]:
    """The page of the shop, with a lock in which the reports were open to everybody."""
    ran: list[str] = []
    lock = locked(access_map(shop()))
    head, route, rest = lock.partition("\nGET /reports\n")
    lock = head + route + rest.replace("allow Domain('example.com')", "allow Public()", 1)
    with (
        Playground(shop(ran), "shop:app", suite=suite(), lock=(lock, "main.lock")) as ground,
        serving(access_page(ground)) as address,
    ):
        yield Played(ground, address, ran)


@contextmanager
def opened(browse: Browse, played: Played, **hosts: int) -> Iterator[Any]:
    """The page once all calls were made. Nothing it does may break its own content security policy."""
    with browse(hosts) as browser:
        page, complaints = browser.new_page(), list[str]()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(played.address)
        expect(page.locator("#matrix")).to_have_attribute("data-pending", "0", timeout=60_000)
        yield page
        assert complaints == []


def cell(page: Any, name: str) -> Any:
    """The cell whose name, as a screen reader says it, ends so."""
    return page.locator(f"a.cell[aria-label$={name!r}]")


def test_a_click_shows_why_and_leaves_the_table_where_it_is(browse: Browse, played: Played) -> None:
    with opened(browse, played) as page:
        refused = cell(page, "ada, DELETE /reports")
        expect(refused).to_have_attribute("aria-label", "403 not allowed: ada, DELETE /reports")
        refused.click()
        expect(page.locator("#details-title")).to_be_focused()
        details = page.locator("#details")
        expect(details.locator("[data-holds=no] > code").first).to_have_text("all of")
        expect(details).to_contain_text("What would have said yes")
        expect(details).to_contain_text("admits firebase:shop-prod/ada and nobody else")
        expect(details.locator("tr[data-kind=hearsay]").first).to_contain_text("hearsay")
        expect(refused).to_have_attribute("aria-current", "true")
        assert page.url == f"{played.address}/"
        page.get_by_role("button", name="Close").click()
        expect(refused).to_be_focused()
        expect(details).to_contain_text("Choose a cell")


def test_before_and_after_are_told_at_route_cell_and_details(browse: Browse, played: Played) -> None:
    with opened(browse, played) as page:
        expect(page.locator(".compared")).to_contain_text("1 of 7 routes have changed since main.lock was written")
        lost = page.locator("a.cell[aria-label='403 not allowed, loses: ada, GET /reports']")
        lost.click()
        expect(page.locator("#details")).to_contain_text("Before and after, against main.lock")


def test_keys_alone_reach_everything(browse: Browse, played: Played) -> None:
    with opened(browse, played) as page:
        keys = page.keyboard
        keys.press("Tab")
        expect(page.get_by_role("link", name="To the table")).to_be_focused()
        keys.press("Enter")
        keys.press("Tab")
        expect(cell(page, "stranger, GET /open")).to_be_focused()
        for key in ("ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "End", "Home", "Control+End"):
            keys.press(key)
        expect(cell(page, "sam, * (any other path)")).to_be_focused()
        keys.press("ArrowRight")  # there is nothing on: it stays
        expect(cell(page, "sam, * (any other path)")).to_be_focused()
        keys.press("Control+Home")
        keys.press("ArrowDown")
        keys.press("Enter")
        expect(page.locator("#details-title")).to_be_focused()
        expect(page.locator("#details-title")).to_contain_text("ada calls GET /open")
        keys.press("Escape")
        expect(cell(page, "ada, GET /open")).to_be_focused()
        keys.press("Tab")  # one stop for the whole table
        expect(page.locator(".scroller")).not_to_contain_text("nobody")
        assert not page.evaluate("document.querySelector('#table').contains(document.activeElement)")


def test_what_changes_something_runs_when_it_is_asked_for(browse: Browse, played: Played) -> None:
    with opened(browse, played) as page:
        cell(page, "sam, DELETE /reports").click()
        expect(page.locator("#details")).to_contain_text("no handler has run")
        assert "deleted" not in played.ran
        page.get_by_role("button", name="Call it: run DELETE").click()
        expect(page.locator("#details")).to_contain_text('{"ran":"deleted"}')
        expect(cell(page, "sam, DELETE /reports")).to_have_attribute("data-state", "in")
        assert played.ran.count("deleted") == 1


def test_somebody_is_made_on_the_spot_and_their_decisions_are_logged_live(browse: Browse, played: Played) -> None:
    with opened(browse, played) as page, browse({}) as another:
        beside = another.new_page()
        beside.goto(played.address)
        log = beside.locator("#log")
        expect(log.locator("li").first).to_be_visible()
        page.get_by_label("Kind").select_option("firebase_user")
        page.get_by_label("E-mail, uid or subject").fill("zoe")
        page.get_by_label("Custom claims, as JSON").fill('{"admin": true}')
        page.locator("form[action='/people'] button").click()
        expect(cell(page, "zoe, POST /users/{user_id}/orders")).to_have_attribute("data-state", "may")
        expect(log).to_contain_text("zoe: firebase:shop-prod/zoe")
        beside.get_by_label("refusals only").check()
        expect(log.locator("[data-refused=no]").first).to_be_hidden()
        beside.get_by_role("button", name="Pause").click()
        expect(beside.get_by_role("button", name="Go on")).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="Remove zoe").click()
        expect(cell(page, "zoe, GET /open")).to_have_count(0)


def test_a_pasted_token_is_judged_for_real_and_is_nowhere_in_the_page(browse: Browse, played: Played) -> None:
    token = played.ground.headers_of(played.ground.people[1])["Authorization"].removeprefix("Bearer ")
    other = token.replace(".", "x.", 1)  # a broken one: nothing is fetched for it
    with opened(browse, played) as page:
        page.get_by_label("Token", exact=True).fill(other)
        page.locator("form[action='/token'] button").click()
        pasted = cell(page, "pasted 1, GET /reports")
        expect(pasted).to_have_attribute("data-state", "who")
        pasted.click()
        expect(page.locator("#details")).to_contain_text("Token")
        text = page.content()
        assert not any(part in text for part in other.split("."))


CONTRASTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a === 1) return [r, g, b];
      if (a !== 0) throw new Error(`half transparent: ${at.outerHTML.slice(0, 80)}`);
    }
    return null;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const box = element.getBoundingClientRect();
    if (!(own || element.matches("input, select, textarea")) || box.width < 2 || box.height < 2) continue;
    const ground = behind(element);
    for (const pseudo of element.placeholder ? [null, "::placeholder"] : [null]) {
      const ratios = [light(parse(getComputedStyle(element, pseudo).color).slice(0, 3)), light(ground)];
      const ratio = (Math.max(...ratios) + 0.05) / (Math.min(...ratios) + 0.05);
      found.push([ratio, `${element.tagName} ${element.className} ${element.textContent.slice(0, 30)}`]);
    }
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(browse: Browse, played: Played, scheme: str) -> None:
    with opened(browse, played) as page:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(246, 247, 249)", "dark": "rgb(15, 19, 24)"}[scheme]
        for name in ("ada, DELETE /reports", "ada, GET /reports", "sam, GET /broken", "sam, DELETE /reports"):
            cell(page, name).click()
            expect(page.locator("#details-title")).to_contain_text(name.partition(",")[0])
            found = page.evaluate(CONTRASTS)
            assert len(found) > 100
            assert [each for each in found if each[0] < 4.5] == []  # WCAG 2.2, 1.4.3, level AA


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browse: Browse, played: Played, scheme: str) -> None:
    with opened(browse, played) as page:
        page.set_viewport_size({"width": 390, "height": 780})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        refused = cell(page, "ada, DELETE /reports")
        refused.scroll_into_view_if_needed()
        refused.click()
        expect(page.locator("#details")).to_contain_text("What would have said yes")
        box = page.locator("#panel").bounding_box()
        assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 390, 780)
        assert page.evaluate("document.querySelector('#panel').scrollWidth") == 390
        page.get_by_role("button", name="Close").click()
        expect(refused).to_be_focused()
        expect(refused).to_be_in_viewport(ratio=1)


def test_the_filter_and_the_sample_values_are_in_the_address(browse: Browse, played: Played) -> None:
    with opened(browse, played) as page:
        page.get_by_role("textbox", name="{user_id}").fill("ben")
        page.get_by_label("Filter routes").fill("users")
        page.get_by_label("Filter routes").press("Enter")
        expect(page.locator("#matrix .route")).to_have_count(2)
        expect(cell(page, "ada, GET /users/{user_id}/orders")).to_have_attribute("data-state", "no")
        assert "p.user_id=ben" in page.url


def test_a_name_that_is_made_to_lead_here_is_refused(browse: Browse, played: Played) -> None:
    with browse({"rebound.example:80": played.port}) as browser:
        page = browser.new_page()
        answer = page.goto("http://rebound.example/")
        assert answer.status == 403
        assert "127.0.0.1 and localhost alone" in page.content()


def test_another_site_can_neither_read_the_page_nor_post_to_it(
    browse: Browse, played: Played, certificate: Certificate
) -> None:
    with elsewhere(certificate) as port, opened(browse, played, **{"evil.example": port}) as page:
        before, people = list(played.ran), len(played.ground.people)
        other = page.context.new_page()
        other.goto("https://evil.example/")
        read = other.evaluate("(url) => fetch(url).then(() => 'read', (error) => error.name)", f"{played.address}/log")
        assert read == "TypeError"
        sent = """([url, body]) => fetch(url, {method: 'POST', mode: 'no-cors', body: new URLSearchParams(body)})
            .then(() => 'sent', () => 'refused')"""
        for path in ("/again", "/token", "/people", "/call"):
            other.evaluate(sent, [f"{played.address}{path}", {"token": "x", "kind": "person", "who": "x@gmail.com"}])
        framed = """(url) => new Promise((done) => {
            const frame = document.createElement('iframe');
            frame.onload = () => done(frame.contentDocument === null);
            frame.src = url; document.body.append(frame);
        })"""
        assert other.evaluate(framed, played.address)
        form = """(url) => {
            const form = document.createElement('form');
            form.method = 'post'; form.action = url; document.body.append(form); form.submit();
        }"""
        with other.expect_navigation() as navigation:
            other.evaluate(form, f"{played.address}/again")
        assert navigation.value.status == 403
        assert (played.ran, len(played.ground.people)) == (before, people)
