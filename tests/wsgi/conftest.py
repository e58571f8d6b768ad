from __future__ import annotations

from importlib.util import find_spec

# Installed by the extra `dev` only, and not for the lowest versions.
NEEDED = {
    "test_cors.py": ("flask_cors",),
    "test_servers.py": ("bottle", "django", "falcon", "gunicorn", "waitress"),
}
collect_ignore = [name for name, modules in NEEDED.items() if not all(map(find_spec, modules))]
