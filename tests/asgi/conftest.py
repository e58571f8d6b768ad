from __future__ import annotations

from importlib.util import find_spec

# Installed by the extra `dev` only, and not for the lowest versions.
NEEDED = {
    "test_prefixes_elsewhere.py": ("django", "falcon", "litestar", "quart"),
    "test_servers.py": ("hypercorn", "litestar", "quart"),
    "test_mcp.py": ("httpx2", "hypercorn", "mcp"),
    "test_mcp_verifier.py": ("httpx2", "hypercorn", "mcp"),
    "test_prefixes.py": ("hypercorn",),
}
collect_ignore = [name for name, modules in NEEDED.items() if not all(map(find_spec, modules))]
