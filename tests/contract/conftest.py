from __future__ import annotations

from importlib.util import find_spec

# Installed by the extra `dev` only, and not for the lowest versions.
collect_ignore = [] if find_spec("hypercorn") else ["test_planted_headers.py"]
