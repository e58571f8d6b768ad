"""Look-ups: facts that no token carries."""
