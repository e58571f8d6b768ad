"""What ``callerid doctor`` checks: the surroundings that verification relies on.

Each module imports only those before it::

    findings       what a check found
    surroundings   which of Google's products the program runs on
    advisories     versions with known advisories
    key_sources    whether keys can be had, and what the clock says beside theirs
    weak_settings  settings of an application that weaken
"""
