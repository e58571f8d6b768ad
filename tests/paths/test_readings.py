"""What a path may be taken for where parts of the application cut a prefix off it."""

from __future__ import annotations

import pytest

from callerid import ConfigurationError
from callerid.paths import Readings, checked_root, prefix_of, readings_of


@pytest.mark.parametrize("root", ["", "/"])
def test_a_path_without_prefixes_has_one_reading(root: str) -> None:
    assert readings_of("/a/b", root, (), (b"/a/b",)) == Readings(("/a/b",), (), (b"/a/b",))


@pytest.mark.parametrize(
    ("path", "paths", "others"),
    [
        ("/api/admin", ("/admin",), ("/api/admin",)),
        ("/api", ("",), ("/api",)),
        ("/api/", ("/",), ("/api/",)),
        ("/api/api/admin", ("/api/admin",), ("/api/api/admin",)),
        ("/admin", ("/admin",), ("/admin",)),  # a server that leaves it out
    ],
)
def test_a_servers_prefix_is_cut_and_the_path_as_it_is_written_is_another_reading(
    path: str, paths: tuple[str, ...], others: tuple[str, ...]
) -> None:
    assert readings_of(path, "/api") == Readings(paths, others)


@pytest.mark.parametrize("path", ["/apiadmin", "/x/api/admin", "/x/apiadmin", "/api./x"])
def test_a_servers_prefix_stands_nowhere_else(path: str) -> None:
    assert readings_of(path, "/api").trouble == "root_path stands inside the path"


@pytest.mark.parametrize("path", ["/API/admin", "/Api"])
def test_a_servers_prefix_stands_in_no_other_letter_case(path: str) -> None:
    assert readings_of(path, "/api").trouble == "the path begins with '/api' in other letter case or Unicode form"


@pytest.mark.parametrize("root", ["api", "/api/"])
def test_a_servers_prefix_that_is_none_is_refused(root: str) -> None:
    assert "root_path" in str(readings_of("/api/admin", root).trouble)


@pytest.mark.parametrize(
    ("path", "paths", "others"),
    [
        ("/api/admin", ("/api/admin", "/admin"), ("/admin",)),
        ("/api", ("/api", ""), ("/",)),
        ("/admin", ("/admin",), ()),
        ("/api/api/admin", ("/api/api/admin", "/api/admin"), ("/api/admin",)),
        ("/apiadmin", ("/apiadmin",), ("/admin",)),  # Django, Quart
        ("/x/api/admin", ("/x/api/admin",), ("/admin",)),  # Litestar
    ],
)
def test_a_prefix_of_the_applications_own_may_be_cut_or_not(
    path: str, paths: tuple[str, ...], others: tuple[str, ...]
) -> None:
    assert readings_of(path, "", ["/api"]) == Readings(paths, others)


def test_a_prefix_of_its_own_in_other_letter_case_is_refused() -> None:
    trouble = "the path begins with '/api' in other letter case or Unicode form"
    assert readings_of("/API/admin", "", ["/api"]).trouble == trouble


def test_the_servers_prefix_and_another_of_its_own_are_both_cut() -> None:
    assert readings_of("/gw/admin", "/gw", ["/api"]) == Readings(("/admin", "/gw/admin"), ("/gw/admin",))
    assert readings_of("/api/admin", "/gw", ["/api"]) == Readings(("/api/admin", "/admin"), ("/api/admin", "/admin"))
    assert readings_of("/gw/admin", "/gw", ["/gw"]) == readings_of("/gw/admin", "/gw")


@pytest.mark.parametrize(
    ("setting", "prefix"),
    [(None, ""), ("", ""), ("/", ""), ("/api", "/api"), ("/api/", "/api"), ("api", "/api"), (7, ""), ("/a/b/", "/a/b")],
)
def test_a_setting_is_a_prefix_however_it_is_written(setting: object, prefix: str) -> None:
    assert prefix_of(setting) == prefix


def test_a_given_prefix_is_checked() -> None:
    assert [checked_root(each) for each in (None, "", "/api", "/a/b")] == ["", "", "/api", "/a/b"]
    for wrong in ("/", "api", "/api/", "//api", "/a//b", "/a/../b", "/a%2f", 7, b"/api", ["/api"]):
        with pytest.raises(ConfigurationError, match="root_path="):
            checked_root(wrong)
