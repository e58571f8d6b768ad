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
    tokens          what every guard does about those

Each module imports only those before it.
"""

from callerid.authorization._authorize import Request, Shadow, authorize, conclude
from callerid.authorization._decision_log import log, record
from callerid.authorization._engine import Check, Credentials, Decision, Judge, evaluate, judge
from callerid.authorization._outside import (
    TOKEN,
    check_names_caller,
    instance_of,
)
from callerid.authorization._policy import DEFAULT, FLOOR, TABLE, Policy, Written, policy_of
from callerid.authorization._report_only import Rollout, ShadowCounts, Tally, named, rollout_of
from callerid.authorization._requirement import (
    Requirement,
    check_whose,
    combined,
)
from callerid.authorization._startup import announce, check_requirement, check_requirements
from callerid.authorization._tokens import JudgesTokens

__all__ = [
    "DEFAULT",
    "FLOOR",
    "TABLE",
    "TOKEN",
    "Check",
    "Credentials",
    "Decision",
    "Judge",
    "JudgesTokens",
    "Policy",
    "Request",
    "Requirement",
    "Rollout",
    "Shadow",
    "ShadowCounts",
    "Tally",
    "Written",
    "announce",
    "authorize",
    "check_names_caller",
    "check_requirement",
    "check_requirements",
    "check_whose",
    "combined",
    "conclude",
    "evaluate",
    "instance_of",
    "judge",
    "log",
    "named",
    "policy_of",
    "record",
    "rollout_of",
]
