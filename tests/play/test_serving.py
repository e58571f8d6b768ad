"""The page is served on the loopback interface, and nowhere else."""

from __future__ import annotations

import urllib.request

import pytest

from callerid.errors import ConfigurationError
from callerid.play._serving import check_host, serving
from callerid.play._session import Playground
from callerid.play._web import access_page
from tests.servers import no_thread_stays

from .made import shop


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "", "example.com", "localhost.example.com"])
def test_another_bind_address_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match="as anybody"), serving(None, host=host):
        raise AssertionError
    with pytest.raises(ConfigurationError):
        check_host(host)


@pytest.mark.server
def test_it_is_served_and_gone_at_the_end() -> None:
    with no_thread_stays(), Playground(shop(), "shop:app") as ground, serving(access_page(ground)) as address:
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert b"Who may call what" in answer.read()
            assert "uvicorn" not in str(answer.headers)
        port = int(address.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match="cannot listen"), serving(None, port=port):
            raise AssertionError
