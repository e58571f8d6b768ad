"""Credentials whose issuer has to be asked."""
