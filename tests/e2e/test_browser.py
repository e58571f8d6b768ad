"""That the browser of these tests is one: each site is an origin of its own, reached by https."""

from __future__ import annotations

import pytest

from .conftest import Browse
from .sites import Certificate, elsewhere

pytestmark = pytest.mark.e2e


def test_two_sites_are_two_secure_origins(browse: Browse, certificate: Certificate) -> None:
    with elsewhere(certificate) as port, browse(dict.fromkeys(("one.example", "two.example"), port)) as browser:
        page = browser.new_page()
        for origin in ("https://one.example", "https://two.example"):
            page.goto(f"{origin}/page")
            assert page.evaluate("[origin, isSecureContext]") == [origin, True]
