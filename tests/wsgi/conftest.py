from __future__ import annotations

from importlib.util import find_spec

# Installed by the extra `dev` only, and not for the lowest versions.
NEEDED = ("bottle", "django", "falcon", "gunicorn", "hypercorn", "waitress")
collect_ignore = [] if all(map(find_spec, NEEDED)) else ["test_servers.py"]
