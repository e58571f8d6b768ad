"""The forms of the page: sample values and filter, somebody made on the spot, a pasted token. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callerid.play._markup import Html, Node, element, posted
from callerid.play._matrix import SAMPLE
from callerid.play._people import FORM_KINDS

__all__ = ["again_form", "people_form", "token_form", "view_form"]


def view_form(parameters: Sequence[str], samples: Mapping[str, str], find: str) -> Html:
    """The filter, and the sample values of path parameters."""
    fields = (
        element(
            "label",
            element("span", f"{{{name}}}", class_="parameter"),
            element(
                "input",
                name=f"{SAMPLE}{name}",
                value=samples.get(name, ""),
                size="8",
                spellcheck="false",
                autocomplete="off",
                placeholder="made up",
            ),
        )
        for name in parameters
    )
    search = element(
        "input", type="search", name="find", id="find", value=find, placeholder="method or path", autocomplete="off"
    )
    return element(
        "form",
        element("label", element("span", "Filter routes"), search, class_="find"),
        element("fieldset", element("legend", "Path parameters"), fields) if parameters else None,
        element("button", "Apply", type="submit"),
        method="get",
        action="/",
        class_="view",
        role="search",
    )


def again_form(csrf: str) -> Html:
    """The button that makes all calls again."""
    return posted("/again", {"csrf": csrf}, element("button", "Call all again", type="submit", class_="quiet"))


def people_form(csrf: str, problem: str) -> Html:
    """Somebody made on the spot."""
    options = (element("option", words, value=kind) for kind, words in FORM_KINDS.items())
    return posted(
        "/people",
        {"csrf": csrf},
        _problem(problem),
        element("label", "Kind", element("select", options, name="kind")),
        _field("who", "E-mail, uid or subject", "ada@example.com", required=True),
        _field("domain", "Workspace domain", "from the e-mail"),
        _field("email", "E-mail of a Firebase user", ""),
        _field("claims", "Custom claims, as JSON", '{"role": "admin"}'),
        _field("roles", "Roles that a look-up gives", "editor, admin"),
        element(
            "details",
            element("summary", "More"),
            _field("name", "Name in the table", ""),
            _field("audience", "Audience of the token", ""),
            _field("subject", "Account id (sub)", ""),
            _field("provider", "Firebase sign-in provider", "google.com, anonymous"),
            _field("tenant", "Firebase tenant", ""),
            _field("project", "Firebase project", ""),
            _field("issuer", "Issuer", "https://id.example.com"),
            _field("looked_up", "What other look-ups say, as JSON", '{"account_status": ["active"]}'),
            _field("via", "Service account that carries the call", "gateway@shop-prod.iam.gserviceaccount.com"),
            _field("app", "App Check: id of the app", "1:123456789012:web:abc123"),
        ),
        element("button", "Add to the table", type="submit"),
        class_="stacked",
    )


def token_form(csrf: str, problem: str) -> Html:
    """A pasted token."""
    return posted(
        "/token",
        {"csrf": csrf},
        _problem(problem),
        element(
            "label",
            "Token",
            element("textarea", "", name="token", rows="3", required=True, spellcheck="false", autocomplete="off"),
        ),
        element(
            "p",
            "It is sent to your app as it is, and judged by the keys that the app really trusts, which may have to be "
            "fetched. It stays in the memory of this process, and is never shown again.",
            class_="note",
        ),
        element("button", "Add to the table", type="submit"),
        class_="stacked",
    )


def _problem(problem: str) -> Node:
    return element("p", problem, class_="problem", role="alert") if problem else None


def _field(name: str, label: str, placeholder: str, *, required: bool = False) -> Html:
    control = element(
        "input", name=name, placeholder=placeholder, required=required, autocomplete="off", spellcheck="false"
    )
    return element("label", label, control)
