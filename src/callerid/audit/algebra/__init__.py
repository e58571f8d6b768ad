"""What rules mean together: which exclude or imply each other, which admit nobody, and who may come in after a change.

Rules have no negation, so every rule is a disjunction of conjunctions of plain statements about one caller, and whether
one rule admits anybody whom another does not is decided by asking, for each of its alternatives and in each kind of
caller, what the least of them may do.

Each module imports only those before it::

    source      the source of a function, the same in every release of Python
    code        code and data as text that is the same in every process
    opaque      rules that only code can judge
    separate    rules that all must hold, each judged by itself
    statements  plain statements about one caller, and which of them go together
    traits      what a rule asks of a caller, taken apart: all laws are here
    named       what path parameters name, and what follows where one names several things
    set_trie    which of many conjunctions a caller satisfies
    formula     a rule as nested alternatives
    laws        which leaves exclude each other, which imply another
    possible    why a rule can admit nobody, with the remedy
    sides       what is compared, and the trust paths by which callers come in
    search      the kinds of callers who satisfy a rule, and not another
    accounts    accounts known by an address here and by an id there
    personas    one caller, to be talked about and judged
    witness     the least caller with given traits
    access      who is admitted now and was not before
    uses        impossible rules, redundant alternatives, weaker rules

All of it is pure.
"""

from callerid.audit.algebra._access import CannotTell, No, Verdict, Yes, holds, new_access
from callerid.audit.algebra._laws import MOST_ALTERNATIVES, exclude, implies
from callerid.audit.algebra._opaque import UNREADABLE, Foreign, Sealed, code_fingerprint, fingerprint
from callerid.audit.algebra._personas import FixedLookUps, Persona
from callerid.audit.algebra._possible import alternatives, every_leaf
from callerid.audit.algebra._separate import Separate, separate
from callerid.audit.algebra._sides import Side
from callerid.audit.algebra._traits import is_code
from callerid.audit.algebra._traits import is_unknown as is_foreign
from callerid.audit.algebra._uses import admits_nobody, check_possible, is_weaker, redundant_alternatives

__all__ = [
    "MOST_ALTERNATIVES",
    "UNREADABLE",
    "CannotTell",
    "FixedLookUps",
    "Foreign",
    "No",
    "Persona",
    "Sealed",
    "Separate",
    "Side",
    "Verdict",
    "Yes",
    "admits_nobody",
    "alternatives",
    "check_possible",
    "code_fingerprint",
    "every_leaf",
    "exclude",
    "fingerprint",
    "holds",
    "implies",
    "is_code",
    "is_foreign",
    "is_weaker",
    "new_access",
    "redundant_alternatives",
    "separate",
]
