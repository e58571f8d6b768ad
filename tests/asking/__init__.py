"""Asking somebody, for all who wait."""
