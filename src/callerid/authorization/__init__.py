"""Authorization of a verified caller: requirements, policies, the decision, and its log record.

    requirement     a rule with audiences, as written at one place
    remedies        what would have let a refused caller in
    decision_log    one record for each decision
    report_only     rules whose refusals are only logged, until a day
    startup         what is checked of rules before the first request
    engine          the one place where a request is judged
    recorded_facts  the facts that a rule judged, as text for the log
    auditing        what the log says more of a decision at an audited route
    policy          what holds at one place, with where it was written
    shadow          a shadow policy: judged and counted, never enforced
    authorize       from a request to a decision that was logged: what every adapter calls
    outside         the same for a token that came outside headers, a sign-in, and a caller verified before

Each module imports only those before it.
"""

from callerid.authorization.auditing import alternatives, audit_fields
from callerid.authorization.authorize import Request, Shadow, authorize, conclude
from callerid.authorization.decision_log import log, record
from callerid.authorization.engine import Check, Credentials, Decision, Judge, evaluate, judge
from callerid.authorization.outside import (
    TOKEN,
    TokenRequest,
    allows,
    check_names_caller,
    check_path,
    instance_of,
    signing_in,
)
from callerid.authorization.policy import DEFAULT, FLOOR, TABLE, Policy, Written, policy_of
from callerid.authorization.recorded_facts import NOT_RECORDED, RecordedFacts, facts_from, facts_text
from callerid.authorization.report_only import Rollout, ShadowCounts, Tally, named, rollout_of
from callerid.authorization.requirement import (
    Requirement,
    check_whose,
    combined,
    named_audiences,
    requirement_of,
)
from callerid.authorization.startup import announce, check_lookups, check_requirement, check_requirements

__all__ = [
    "DEFAULT",
    "FLOOR",
    "NOT_RECORDED",
    "TABLE",
    "TOKEN",
    "Check",
    "Credentials",
    "Decision",
    "Judge",
    "Policy",
    "RecordedFacts",
    "Request",
    "Requirement",
    "Rollout",
    "Shadow",
    "ShadowCounts",
    "Tally",
    "TokenRequest",
    "Written",
    "allows",
    "alternatives",
    "announce",
    "audit_fields",
    "authorize",
    "check_lookups",
    "check_names_caller",
    "check_path",
    "check_requirement",
    "check_requirements",
    "check_whose",
    "combined",
    "conclude",
    "evaluate",
    "facts_from",
    "facts_text",
    "instance_of",
    "judge",
    "log",
    "named",
    "named_audiences",
    "policy_of",
    "record",
    "requirement_of",
    "rollout_of",
    "signing_in",
]
