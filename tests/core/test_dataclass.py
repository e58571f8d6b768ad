"""Frozen dataclasses that are made quickly behave as the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import KW_ONLY, FrozenInstanceError, field, fields, replace
from typing import Any, ClassVar

import pytest

from callerid._dataclass import dataclass

OURS: Any = dataclass
THEIRS: Any = dataclasses.dataclass
Make = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Slotted:
    """At the top of a module, where pickle finds it."""

    first: int
    second: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unslotted:
    """Without slots."""

    first: int


def every_kind(make: Make) -> Any:
    @make(frozen=True, slots=True)
    class Outer:
        """With every kind of field."""

        shared: ClassVar[int] = 7
        place: int
        listed: list[int] = field(default_factory=list[int])
        unseen: str = field(default="hidden", repr=False)
        apart: str = field(default="apart", compare=False)
        unhashed: list[int] = field(default_factory=list[int], hash=False)
        _: KW_ONLY
        named: str = "x"
        preset: int = field(default=3, init=False)
        made: dict[str, int] = field(default_factory=dict[str, int], init=False, hash=False)
        length: int = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "length", len(self.listed))

    return Outer


def outcome(call: Callable[[], Any]) -> str:
    try:
        return repr(call())
    except Exception as error:  # noqa: BLE001 - whatever it is has to be the same
        return f"{type(error).__name__}: {error}"


def with_slots(make: Make) -> Any:
    return make(frozen=True, slots=True)(type("Point", (), {"__annotations__": {"x": int, "y": int}, "y": 2}))


def without_slots(make: Make) -> Any:
    return make(frozen=True)(type("Point", (), {"__annotations__": {"x": int, "y": int}, "y": 2}))


def without_fields(make: Make) -> Any:
    return make(frozen=True, slots=True)(type("Point", (), {"__annotations__": {}}))


def of_one_field(make: Make) -> Any:
    return make(frozen=True, slots=True)(type("Point", (), {"__annotations__": {"x": int}}))


@pytest.mark.parametrize("kind", [with_slots, without_slots, without_fields, of_one_field])
@pytest.mark.parametrize("values", [(), (1,), (1, 5), (1, 2, 3)])
def test_it_is_made_shown_compared_and_hashed_as_the_standard_librarys(kind: Make, values: tuple[int, ...]) -> None:
    ours, theirs = kind(OURS), kind(THEIRS)
    assert outcome(lambda: ours(*values)) == outcome(lambda: theirs(*values))
    assert outcome(lambda: hash(ours(*values))) == outcome(lambda: hash(theirs(*values)))
    assert outcome(lambda: ours(*values) == ours(1)) == outcome(lambda: theirs(*values) == theirs(1))


def test_every_kind_of_field_is_set_as_the_standard_library_sets_it() -> None:
    ours, theirs = every_kind(OURS), every_kind(THEIRS)
    assert str(inspect.signature(ours)).replace("<factory>", "") != ""
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__init__.__annotations__ == theirs.__init__.__annotations__
    for arguments in ({"place": 1}, {"place": 1, "listed": [4, 5], "named": "y", "unseen": "z"}):
        assert repr(ours(**arguments)) == repr(theirs(**arguments))
        assert [getattr(ours(**arguments), each.name) for each in fields(ours)] == [
            getattr(theirs(**arguments), each.name) for each in fields(theirs)
        ]
    assert ours(1).listed is not ours(1).listed
    assert ours(1, apart="a") == ours(1, apart="b") != ours(2)
    for wrong in ({}, {"place": 1, "preset": 2}):
        with pytest.raises(TypeError):
            ours(**wrong)
    with pytest.raises(TypeError):
        ours(1, [], "", "", [], "y")  # what is only named has no place
    assert replace(ours(1), named="z").named == "z"
    assert ours.shared == 7


def test_the_hash_leaves_out_what_is_not_compared_or_not_hashed() -> None:
    ours = every_kind(OURS)
    assert "unhashable type: 'list'" in outcome(lambda: hash(ours(1)))  # of the field that is hashed
    assert hash(ours(1, ())) == hash(ours(1, (), apart="b", unhashed=[1]))


@pytest.mark.parametrize("made", [Slotted(1), Unslotted(1)])
def test_it_cannot_be_changed(made: Any) -> None:
    for name in ("first", "other"):
        with pytest.raises(FrozenInstanceError, match=f"cannot assign to field '{name}'"):
            setattr(made, name, 2)
        with pytest.raises(FrozenInstanceError, match=f"cannot delete field '{name}'"):
            delattr(made, name)
    assert made.first == 1


def test_a_plain_class_of_it_has_attributes_of_its_own_and_frozen_fields() -> None:
    class Plain(Slotted):
        pass

    made: Any = Plain(1)
    made.other = 2
    del made.other
    assert not hasattr(made, "other")
    with pytest.raises(FrozenInstanceError):
        made.first = 2
    with pytest.raises(FrozenInstanceError):
        del made.first
    assert made != Slotted(1)


@pytest.mark.parametrize("made", [Slotted(1, ("a",)), Unslotted(1)])
def test_it_can_be_copied_and_pickled(made: Any) -> None:
    assert copy.copy(made) == copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize("make", [OURS, THEIRS])
@pytest.mark.parametrize("base", [Slotted, Unslotted])
def test_frozen_dataclasses_inherit_from_it_and_others_cannot(make: Make, base: type[Any]) -> None:
    namespace = {"__annotations__": {"third": int}, "third": 3, "__doc__": "More."}
    for options in ({"slots": True}, {}):
        made = make(frozen=True, **options)(type("More", (base,), dict(namespace)))
        assert repr(made(1)).endswith("third=3)")
        assert made(1) == made(1) != made(1, third=4)
        assert made(1) != base(1)
        with pytest.raises(FrozenInstanceError):
            made(1).third = 4
        assert copy.copy(made(1)) == made(1)
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):
        make(type("More", (base,), dict(namespace)))


def test_it_does_not_inherit_from_one_that_can_change() -> None:
    @THEIRS
    class Changing:
        first: int

    with pytest.raises(TypeError, match="cannot inherit frozen dataclass from a non-frozen one"):
        OURS(frozen=True)(type("More", (Changing,), {"__annotations__": {}}))


def test_what_a_class_defines_itself_stays() -> None:
    @dataclass(frozen=True, slots=True)
    class Own:
        """With methods of its own."""

        first: int

        def __repr__(self) -> str:
            return "own"

        def __hash__(self) -> int:
            return 5

    @dataclass(frozen=True, slots=True)
    class Compared:  # noqa: PLW1641 - that is what is tested
        """Which compares as it likes, and is hashed by its fields."""

        first: int

        def __eq__(self, other: object) -> bool:
            return True

    assert (repr(Own(1)), hash(Own(1)), Own(1) == Own(1)) == ("own", 5, True)
    assert Compared(1) == Compared(2)
    assert hash(Compared(1)) == hash((1,))


def test_what_is_left_out_is_not_made() -> None:
    bare: Any = OURS(frozen=True, init=False, repr=False, eq=False)(type("Bare", (), {"__annotations__": {"x": int}}))
    assert not {"__init__", "__repr__", "__eq__", "__hash__"} & {*vars(bare)}


def test_one_that_holds_itself_is_shown() -> None:
    holding: list[Any] = []
    made = of_one_field(OURS)(holding)
    holding.append(made)
    assert repr(made) == "Point(x=[...])"


def test_one_that_is_not_frozen_is_the_standard_librarys() -> None:
    @dataclass
    class Changing:
        first: int = 1

    made = Changing()
    made.first = 2
    assert made == Changing(2)
