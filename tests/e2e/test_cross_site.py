"""A session cookie in a real browser: what the pages of other sites can make of it, and what the shop's own can.

Each request is told as the browser sent it: method, ``Sec-Fetch-Site``, ``Origin``, and whether the cookie came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Browse
from .shop import EVIL, FRAMEWORKS, PARTNER, SHOP, SIBLING, WITH_SOCKETS, Shop, opened
from .sites import Certificate

pytestmark = pytest.mark.e2e

ADA = "firebase:shop-prod/ada"
ORDERS = f"{SHOP}/orders"

FORM = """([action, more, fields]) => {
    const form = document.createElement('form');
    Object.assign(form, {action, method: 'post', ...more});
    for (const [name, value] of Object.entries(fields || {count: '1000'}))
        form.append(Object.assign(document.createElement('input'), {name, value}));
    document.body.append(form);
    form.submit();
}"""
FETCH = "([url, more]) => fetch(url, {method: 'POST', ...more}).then(answer => answer.text(), error => error.name)"
SOCKET = """url => new Promise(done => {
    const socket = new WebSocket(url);
    socket.onmessage = message => done(message.data);
    socket.onerror = () => done('refused');
})"""
EMBEDDED = """([kind, url]) => new Promise(done => {
    const element = document.createElement(kind);
    element.onload = element.onerror = () => done();
    element.src = url;
    document.body.append(element);
})"""
EMBEDDED_FORM = """([action, sandbox]) => new Promise(done => {
    const frame = document.createElement('iframe');
    if (sandbox) frame.sandbox = sandbox;
    frame.srcdoc = `<form method=post action="${action}"></form>
        <script>onload = () => setTimeout(() => document.forms[0].submit())</script>`;
    frame.onload = () => { frame.onload = done };  // first the form, then the answer
    document.body.append(frame);
})"""


def shops(*frameworks: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shop", frameworks, indirect=True, scope="module")


@pytest.fixture(scope="module")
def shop(
    request: pytest.FixtureRequest,
    browse: Browse,
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    with opened(request.param, browse, certificate, tmp_path_factory.mktemp("shop")) as open_shop:
        yield open_shop


def fetched(page: Any, script: str, *arguments: Any) -> int:
    """The status of the answer to what a script asks of the orders beside the page."""
    with page.expect_response(ORDERS) as answer:
        page.evaluate(script, list(arguments))
    status: int = answer.value.status
    return status


def visited(page: Any, script: str, *arguments: Any, url: str = ORDERS) -> int:
    """The status of the page that a script leads to."""
    with page.expect_navigation(url=url) as answer:
        page.evaluate(script, list(arguments))
    status: int = answer.value.status
    return status


def refused(shop: Shop, sent: str) -> None:
    """It was sent so, with the cookie; the log tells why it was refused, and no handler ran."""
    told = shop.told()
    assert (told.requests, told.decisions, told.ran) == ([f"{sent} signed in"], ["refused cross_site"], [])
    _, site, origin = sent.split()
    told_site = "no Sec-Fetch-Site" if site == "None" else f"Sec-Fetch-Site {site!r}"
    assert told.details == [f"expected a request of the application's own pages, got {told_site} and Origin {origin!r}"]


def served(shop: Shop, sent: str) -> None:
    """It was sent so, with the cookie, and a handler ran for Ada."""
    told = shop.told()
    method = sent.partition(" ")[0]
    assert (told.requests, told.decisions, told.ran) == ([f"{sent} signed in"], [f"allowed {ADA}"], [f"{method} {ADA}"])


@shops("fastapi by HTTP/2")
def test_the_browser_speaks_http_2_and_sends_each_cookie_and_each_socket_by_it(shop: Shop) -> None:
    with shop.visited(SHOP) as page:
        page.evaluate("document.cookie = 'theme=dark'")
        assert page.evaluate(FETCH, [ORDERS, {}]) == f"POST of {ADA}"
        assert page.evaluate(SOCKET, "wss://shop.example/live") == f"live for {ADA}"
    assert shop.told().versions == {"2"}


@shops(*FRAMEWORKS)
@pytest.mark.parametrize("enctype", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"])
def test_another_sites_form_is_refused(shop: Shop, enctype: str) -> None:
    with shop.visited(EVIL) as page:
        assert visited(page, FORM, ORDERS, {"enctype": enctype}) == 403
        assert '"reason":"cross_site"' in page.content().replace(" ", "")
    refused(shop, f"POST cross-site {EVIL}")


@shops(*FRAMEWORKS)
def test_the_same_form_arrives_with_the_cookie_where_nothing_is_guarded(shop: Shop) -> None:
    with shop.visited(EVIL) as page:
        assert visited(page, FORM, f"{SHOP}/open", {}, url=f"{SHOP}/open") == 200
    told = shop.told()
    assert (told.requests, told.ran) == ([f"POST cross-site {EVIL} signed in"], ["POST anybody"])


@shops(*FRAMEWORKS)
def test_a_cookie_without_samesite_is_no_excuse(shop: Shop) -> None:
    """Chromium sends one that is younger than two minutes with another site's form: "Lax + POST"."""
    with shop.visited(EVIL, sameSite=None) as page:
        assert visited(page, FORM, ORDERS, {}) == 403
    refused(shop, f"POST cross-site {EVIL}")


@shops(*FRAMEWORKS)
def test_a_strict_cookie_is_no_help_against_a_sibling(shop: Shop) -> None:
    """``SameSite=Strict`` asks for the same site, and every host of a domain is of it."""
    with shop.visited(SIBLING, sameSite="Strict") as page:
        assert fetched(page, FETCH, ORDERS, {"mode": "no-cors", "credentials": "include"}) == 403
        refused(shop, f"POST same-site {SIBLING}")
        assert visited(page, FORM, ORDERS, {}) == 403
    refused(shop, f"POST same-site {SIBLING}")


@shops(*FRAMEWORKS)
def test_another_sites_script_is_refused(shop: Shop) -> None:
    with shop.visited(EVIL) as page:
        assert fetched(page, FETCH, ORDERS, {"mode": "no-cors", "credentials": "include", "body": "1000"}) == 403
        refused(shop, f"POST cross-site {EVIL}")
        assert fetched(page, "([url]) => navigator.sendBeacon(url, '1000')", ORDERS) == 403
    refused(shop, f"POST cross-site {EVIL}")


@shops(*FRAMEWORKS)
def test_another_sites_script_cannot_ask_for_what_forms_cannot_send(shop: Shop) -> None:
    """The browser asks first, without the cookie, and is not told that it may."""
    with shop.visited(EVIL) as page:
        assert page.evaluate(FETCH, [ORDERS, {"method": "DELETE", "credentials": "include"}]) == "TypeError"
    told = shop.told()
    assert (told.requests, told.ran) == ([f"OPTIONS cross-site {EVIL} nobody"], [])


@shops(*FRAMEWORKS)
@pytest.mark.parametrize("sandbox", ["", "allow-forms allow-scripts"])
def test_a_form_in_a_frame_is_refused(shop: Shop, sandbox: str) -> None:
    """A sandboxed frame has no origin that could be told."""
    with shop.visited(EVIL) as page:
        page.evaluate(EMBEDDED_FORM, [ORDERS, sandbox])
    refused(shop, f"POST cross-site {'null' if sandbox else EVIL}")


@shops(*FRAMEWORKS)
def test_a_sandboxed_frame_of_the_own_page_is_refused(shop: Shop) -> None:
    """What is in it may be somebody else's: that is why it was put there."""
    with shop.visited(SHOP) as page:
        page.evaluate(EMBEDDED_FORM, [ORDERS, "allow-forms allow-scripts"])
    refused(shop, "POST cross-site null")


@shops(*FRAMEWORKS)
def test_a_form_that_is_sent_on_is_refused(shop: Shop) -> None:
    """By the other site, or by the shop and the other site: a redirect with 307 keeps the method and the body."""
    there = f"{EVIL}/bounce?to={ORDERS}"
    with shop.visited(EVIL) as page:
        assert visited(page, FORM, there, {}) == 403
    refused(shop, "POST cross-site null")
    with shop.visited(SHOP) as page:
        assert visited(page, FORM, f"{SHOP}/away?to={there}", {}) == 403
    told = shop.told()
    assert told.requests == [f"POST same-origin {SHOP} signed in", "POST cross-site null signed in"]
    assert (told.decisions[-1], told.ran) == ("refused cross_site", [])


@shops(*FRAMEWORKS)
def test_another_sites_page_may_link_to_the_shop_and_embed_it(shop: Shop) -> None:
    """GET changes nothing: that is for the application to keep."""
    with shop.visited(EVIL) as page:
        for kind in ("img", "iframe"):
            assert fetched(page, EMBEDDED, kind, ORDERS) == 200
            served(shop, "GET cross-site None")
        assert visited(page, "([url]) => { location.href = url }", ORDERS) == 200
    served(shop, "GET cross-site None")


@shops(*FRAMEWORKS)
def test_the_shops_own_pages_are_served(shop: Shop) -> None:
    with shop.visited(SHOP) as page:
        for method in ("POST", "PUT", "DELETE"):
            assert page.evaluate(FETCH, [ORDERS, {"method": method}]) == f"{method} of {ADA}"
            served(shop, f"{method} same-origin {SHOP}")
        page.evaluate(EMBEDDED_FORM, [ORDERS, ""])
        served(shop, f"POST same-origin {SHOP}")
        assert visited(page, FORM, ORDERS, {}) == 200
    served(shop, f"POST same-origin {SHOP}")


@shops(*FRAMEWORKS)
def test_a_page_that_hides_where_it_is_cannot_hide_that_it_is_another_sites(shop: Shop) -> None:
    for origin, status in ((EVIL, 403), (SHOP, 200)):
        with shop.visited(origin) as page:
            page.evaluate("document.head.innerHTML += '<meta name=referrer content=no-referrer>'")
            assert visited(page, FORM, ORDERS, {}) == status
        if status == 200:
            served(shop, "POST same-origin null")
        else:
            refused(shop, "POST cross-site null")


@shops(*FRAMEWORKS)
def test_a_trusted_origins_pages_are_served(shop: Shop) -> None:
    with shop.visited(PARTNER) as page:
        assert fetched(page, FETCH, ORDERS, {"mode": "no-cors", "credentials": "include"}) == 200
        served(shop, f"POST cross-site {PARTNER}")
        assert visited(page, FORM, ORDERS, {}) == 200
    served(shop, f"POST cross-site {PARTNER}")


@shops(*FRAMEWORKS)
@pytest.mark.parametrize("origin", [EVIL, SIBLING, SHOP])
def test_another_sites_page_cannot_sign_a_user_in_to_its_own_account(shop: Shop, origin: str) -> None:
    """It has a token, of the attacker's account, and no cookie that Google's script set on a page of the shop."""
    form = {"credential": shop.issuer.person("mallory@gmail.com"), "g_csrf_token": "made-up"}
    with shop.visited(origin) as page:
        if origin == SHOP:
            page.evaluate("document.cookie = 'g_csrf_token=made-up; Secure; SameSite=None'")
        assert visited(page, FORM, f"{SHOP}/sign-in", {}, form, url=f"{SHOP}/sign-in") == (
            200 if origin == SHOP else 403
        )
    told = shop.told()
    if origin == SHOP:
        assert (told.decisions[1:], told.ran) == (["allowed user:mallory@gmail.com"], ["POST user:mallory@gmail.com"])
    else:
        assert (told.decisions[1:], told.ran) == (["refused wrong_csrf_token"], [])


@shops(*WITH_SOCKETS)
@pytest.mark.parametrize("origin", [EVIL, SIBLING])
def test_another_sites_socket_is_refused(shop: Shop, origin: str) -> None:
    with shop.visited(origin) as page:
        assert page.evaluate(SOCKET, "wss://shop.example/live") == "refused"
    refused(shop, f"WEBSOCKET None {origin}")


@shops(*WITH_SOCKETS)
@pytest.mark.parametrize("origin", [SHOP, PARTNER])
def test_a_socket_of_the_own_pages_or_of_a_trusted_origins_opens(shop: Shop, origin: str) -> None:
    """Browsers tell no ``Sec-Fetch-Site`` for them: the own origin, too, is known by being trusted."""
    with shop.visited(origin) as page:
        assert page.evaluate(SOCKET, "wss://shop.example/live") == f"live for {ADA}"
    told = shop.told()
    assert (told.requests, told.decisions) == ([f"WEBSOCKET None {origin} signed in"], [f"allowed {ADA}"])
