"""One cell explained: the answer, the decision, the rule's tree, what would have let the caller in, the token. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from callerid.audit._rows import Row, who_may
from callerid.audit._ways import by_which
from callerid.authorization._remedies import nearest, remedies
from callerid.errors import one_line
from callerid.play._comparing import LockComparison
from callerid.play._hearing import HeardCheck, HeardDecision
from callerid.play._markup import Html, Node, element, listed, posted
from callerid.play._matrix import SAMPLE, method_badge, path_words
from callerid.play._outcomes import MEANINGS, PlayOutcome
from callerid.play._session import PlayCell
from callerid.play._tokens import ShownClaim, ShownToken
from callerid.rules import Explanation, is_joined

__all__ = ["panel"]


def panel(
    cell: PlayCell, tokens: Sequence[ShownToken], samples: Mapping[str, str], before: LockComparison | None, csrf: str
) -> Html:
    """All that is known of a cell."""
    return element(
        "article",
        _heading(cell),
        _verdict(cell.outcome),
        _rules(cell.outcome, cell.route.row),
        _instead(cell.outcome),
        _before(cell, before),
        _tokens(tokens),
        _answer(cell, samples, csrf),
        class_="details",
        aria_labelledby="details-title",
    )


def _section(title: str, *inside: Node) -> Html:
    return element("section", element("h3", title), inside)


def _heading(cell: PlayCell) -> Node:
    route = cell.route
    return [
        element(
            "h2",
            element("span", cell.who.name, class_="name"),
            element("span", " calls ", class_="calls"),
            method_badge(route),
            " ",
            element("span", path_words(cell.outcome.path or route.template), class_="path"),
            id="details-title",
            tabindex="-1",
        ),
        element("p", cell.who.about, class_="about"),
    ]


def _verdict(outcome: PlayOutcome) -> Html:
    return element(
        "p",
        element("span", outcome.sign, class_="sign", aria_hidden="true"),
        element("strong", " ".join(filter(None, (str(outcome.status or ""), outcome.word)))),
        element("span", MEANINGS.get(outcome.state, ""), class_="meaning"),
        class_="verdict",
        data_state=outcome.state.value,
    )


# --- what was answered ---


def _answer(cell: PlayCell, samples: Mapping[str, str], csrf: str) -> Html:
    return _section("Answer", _body(cell.outcome), _calling(cell, samples, csrf))


def _body(outcome: PlayOutcome) -> Node:
    answer = outcome.answer
    return [
        listed([("Error", answer.error), ("Content-Type", answer.content_type), ("Location", answer.location)]),
        element("pre", answer.text, tabindex="0", aria_label="The body") if answer.text else None,
        element("p", "The rest was cut off.", class_="note") if answer.is_cut else None,
    ]


def _calling(cell: PlayCell, samples: Mapping[str, str], csrf: str) -> Node:
    outcome, route = cell.outcome, cell.route
    if outcome.path is None:
        return element("p", "No path can be made up for this route.", class_="note")
    if not outcome.admits:
        return element("p", "The handler was not run.", class_="note")
    ran = "The handler was run."
    if not outcome.ran:
        ran = f"{route.called} may change something, so only the decision was made: no handler has run."
    hidden = {"csrf": csrf, "who": cell.who.key, "route": route.key}
    hidden |= {f"{SAMPLE}{name}": value for name, value in samples.items()}
    return [
        element("p", ran, class_="note"),
        posted(
            "/call",
            hidden,
            _request_body(route.called),
            element("button", f"Call it: run {route.called}" if not route.is_safe else "Call it again", type="submit"),
            class_="call",
        ),
    ]


def _request_body(method: str) -> Node:
    if method in ("GET", "HEAD", "WS", "OPTIONS"):
        return None
    area = element("textarea", "", name="body", rows="3", spellcheck="false", placeholder='{"article": "kite"}')
    return element("label", "Body, as JSON", area)


# --- why ---


def _rules(outcome: PlayOutcome, row: Row) -> Html:
    return _section(
        "Rule",
        element("p", element("code", who_may(row.rule, row.audiences)), class_="rule"),
        element("p", f"written at: {', '.join(row.sources)}", class_="note") if row.sources else None,
        element("p", f"callers come by {by_which(row)}", class_="note") if by_which(row) else None,
        [_tree(check) for check in _checks(outcome)],
        _refused(outcome.decision),
    )


def _checks(outcome: PlayOutcome) -> Iterable[HeardCheck]:
    """What was judged, each requirement once: as it was judged last."""
    return {id(check.requirement): check for check in outcome.heard.checks}.values()


def _tree(check: HeardCheck) -> Html:
    found = check.requirement.rule.explain(check.facts)
    return element("ul", _leaf(found), class_="tree", aria_label="The rule, leaf by leaf")


def _leaf(found: Explanation) -> Html:
    words = found.rule.joint if is_joined(found.rule) else str(found.rule)
    return element(
        "li",
        element("span", "✓" if found.holds else "✕", class_="sign", aria_hidden="true"),
        element("span", "yes: " if found.holds else "no: ", class_="unseen"),
        element("code", words),
        element("span", one_line(found.note), class_="note") if found.note else None,
        element("ul", map(_leaf, found.parts)) if found.parts else None,
        data_holds="yes" if found.holds else "no",
    )


def _refused(decision: HeardDecision | None) -> Node:
    if decision is None:
        return element("p", "No guard decided: what stands in front of it has answered.", class_="note")
    refusal = decision.refusal
    if refusal is None:
        return None
    facts = [
        ("Reason", str(refusal.reason)),
        ("Detail", refusal.detail),
        ("Remedy", refusal.remedy),
        ("Instance", decision.instance),
    ]
    return [
        element("p", "Not enforced yet: the request was let through all the same.") if decision.is_waived else None,
        listed(facts),
    ]


def _instead(outcome: PlayOutcome) -> Node:
    decision = outcome.decision
    if decision is None or decision.refusal is None:
        return None
    refusals = (decision.refusal, *decision.refusal.also)
    narrowest, found = one_line(nearest(refusals)), [one_line(each) for each in remedies(refusals)]
    if decision.refusal.judged is not None and decision.identity.caller is None and not found:
        found = ["send a credential of somebody whom the rule admits: no rule needs to change"]
    if not narrowest and not found:
        return None
    return _section(
        "What would have said yes",
        element("p", element("span", "nearest: ", class_="label"), narrowest) if narrowest else None,
        element("p", "The narrowest first, if this caller should be let in:", class_="note") if found else None,
        element("ol", (element("li", each) for each in found), class_="remedies") if found else None,
    )


def _before(cell: PlayCell, before: LockComparison | None) -> Node:
    change = before.change(cell.route) if before is not None else None
    if before is None or change is None:
        return None
    facts = [("Before", change.was), ("Now", cell.route.row.words()), ("New access", change.newcomer)]
    shift = f"{cell.who.name}: {cell.shift.value}" if cell.shift else f"{cell.who.name}: as before"
    return _section(
        f"Before and after, against {before.file}",
        listed(facts),
        element("p", shift, class_="shift-note"),
        element("pre", "\n".join(change.lines), aria_label="What changed in the lock") if change.lines else None,
    )


# --- the token ---


def _tokens(tokens: Sequence[ShownToken]) -> Html:
    if not tokens:
        return _section("Token", element("p", "No credential was sent."))
    return _section("Token", [_token(each) for each in tokens])


def _token(token: ShownToken) -> Html:
    signer = f"signed by {token.signer}" if token.signer else ""
    return element(
        "div",
        element("p", element("code", token.where), " ", signer, class_="where"),
        element("p", token.note, class_="note") if token.note else None,
        _claims(token.claims) if token.claims else None,
        class_="token",
    )


def _claims(claims: Sequence[ShownClaim]) -> Html:
    titles = ("Claim", "Value", "Fact or hearsay")
    head = element("thead", element("tr", (element("th", title, scope="col") for title in titles)))
    caption = element("caption", "Decoded; the signature is not shown", class_="note")
    return element("table", caption, head, element("tbody", map(_claim, claims)), class_="claims")


def _claim(claim: ShownClaim) -> Html:
    kind = "fact" if claim.is_fact else "hearsay"
    return element(
        "tr",
        element("th", claim.name, scope="row"),
        element("td", element("code", claim.value)),
        element("td", element("span", kind, class_="kind"), " ", claim.says),
        data_kind=kind,
    )
