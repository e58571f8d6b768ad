"""Where the algebra is found."""

import callerid.algebra
import callerid.audit.algebra


def test_the_old_name_of_the_package_still_gives_all_of_it() -> None:
    assert callerid.algebra.__all__ == callerid.audit.algebra.__all__
    assert all(
        getattr(callerid.algebra, name) is getattr(callerid.audit.algebra, name) for name in callerid.algebra.__all__
    )
