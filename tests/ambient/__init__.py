"""Session cookies and IAP, beyond what every adapter answers alike (see `tests.contract`)."""
