from __future__ import annotations

from importlib.util import find_spec

# The pages show the newest versions of all frameworks. Those are installed by the extra `dev` only.
collect_ignore_glob = [] if all(map(find_spec, ("hcl2", "httpx2", "mcp", "yaml"))) else ["test_*.py"]
