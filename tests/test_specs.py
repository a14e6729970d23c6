"""Specs: an object becomes plain data and comes back; nothing but known classes is ever built."""

import json
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pytest

from tsclr.specs import (
    Builder,
    SpecError,
    Word,
    from_spec,
    importable_name,
    nearest,
    spec_of,
    subclasses,
)
from tsclr.specs.text import split_commas


class Shape(ABC):
    @abstractmethod
    def area(self): ...


class Polygon(Shape, ABC):
    """Abstract itself: a level between base and leaves."""


class Square(Polygon):
    def __init__(self, side: float = 1.0, name: str | None = None) -> None:
        self.side, self.name = side, name

    def area(self):
        return self.side**2


class Group(Shape):
    def __init__(self, members: list[Shape], by_name: dict[str, Shape] | None = None) -> None:
        self.members, self.by_name = members, by_name

    def area(self):
        return sum(member.area() for member in self.members)


class Colour(ABC):
    @abstractmethod
    def mixed(self): ...


class Grey(Colour):
    def __init__(self, share: float = 0.5) -> None:
        self.share = share

    def mixed(self):
        return self.share


class Painted(Shape):
    def __init__(self, shape: Shape, colours: list[Colour]) -> None:
        self.shape, self.colours = shape, colours

    def area(self):
        return self.shape.area()


class Forgetful(Shape):
    def __init__(self, side: float) -> None:
        self.length = side

    def area(self):
        return self.length


def test_subclasses_lists_every_leaf_and_no_abstract_class():
    leaves = [Square, Group, Painted, Forgetful]
    assert subclasses(Shape) == {leaf.__name__: leaf for leaf in leaves}
    assert subclasses(Polygon) == {"Square": Square}


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "text"])
def test_plain_values_stay_as_they_are(value):
    assert spec_of(value) is value


def test_lists_tuples_and_dicts_become_lists_and_dicts():
    assert spec_of(((1, 2), [3.0], {"a": (None,)})) == [[1, 2], [3.0], {"a": [None]}]


def test_nested_objects_make_a_round_trip_through_json():
    group = Group([Square(2.0), Group([Square(name="b")])], by_name={"c": Square(3.0)})
    spec = spec_of(group)
    assert spec["members"][0] == {"class": "Square", "side": 2.0, "name": None}
    back = from_spec(Shape, json.loads(json.dumps(spec)))
    assert spec_of(back) == spec
    assert isinstance(back.members[1].members[0], Square)
    assert back.by_name["c"].area() == 9


def test_tuples_of_objects_are_built_again():
    assert from_spec(Shape, spec_of(Group((Square(2.0), Square(1.0))))).area() == 5


def test_objects_of_another_kind_are_built_inside_as_the_annotation_says():
    spec = spec_of(Group([Painted(Square(2.0), [Grey(0.25), Grey()])]))
    back = from_spec(Shape, json.loads(json.dumps(spec)))
    assert spec_of(back) == spec
    assert isinstance(back.members[0].colours[0], Grey)


def test_what_may_stand_inside_may_not_stand_outside():
    with pytest.raises(SpecError, match="no Shape called 'Grey'"):
        from_spec(Shape, {"class": "Grey"})


def test_misspelt_class_inside_is_looked_up_among_the_kind_of_its_place():
    spec = {"class": "Painted", "shape": "Square", "colours": [{"class": "Gray"}]}
    with pytest.raises(
        SpecError, match=r"^colours\[0\]: no Colour called 'Gray': did you mean Grey"
    ):
        from_spec(Shape, spec)


def test_left_out_arguments_take_their_defaults():
    assert from_spec(Shape, {"class": "Square"}).side == 1.0


def test_building_leaves_the_spec_as_it_was():
    spec = {"class": "Square", "side": 2.0}
    from_spec(Shape, spec)
    assert spec == {"class": "Square", "side": 2.0}


def test_class_that_does_not_keep_its_argument_is_named():
    with pytest.raises(TypeError, match="Forgetful does not keep its argument 'side'"):
        spec_of(Forgetful(2.0))


def test_misspelt_class_suggests_the_near_one():
    with pytest.raises(SpecError, match="no Shape called 'sqare': did you mean Square"):
        from_spec(Shape, {"class": "sqare"})


@pytest.mark.parametrize(
    "name", ["os.system", "tests.test_specs.Square", "Polygon", "Shape", "builtins.eval", None, ""]
)
def test_path_abstract_class_or_nothing_is_refused(name):
    with pytest.raises(
        SpecError, match=r"no Shape called .*(Allowed:|among) Forgetful, Group, Painted, Square"
    ):
        from_spec(Shape, {"class": name, "command": "true"})


def test_nested_path_is_refused_too():
    with pytest.raises(SpecError, match=r"no Shape called 'os\.system'"):
        from_spec(Shape, {"class": "Group", "members": [{"class": "os.system"}]})


def test_unknown_argument_suggests_the_near_one():
    with pytest.raises(SpecError, match="Square has no argument 'sidee': did you mean side"):
        from_spec(Shape, {"class": "Square", "sidee": 2.0})


def test_no_near_name_no_suggestion():
    assert nearest("xyz", ["walk", "sit"]) == "choose among sit, walk"


def test_a_name_alone_is_a_class_with_its_defaults():
    assert spec_of(from_spec(Shape, "Square")) == {"class": "Square", "side": 1.0, "name": None}


@dataclass
class Settings:
    size: int
    rate: float = 1.0
    kind: Literal["a", "b"] = "a"
    names: list[str] | None = None
    share: float | list[str] = 0.2
    shapes: list[Shape] | dict[str, list[Shape]] | None = None
    maker: Callable[[int], Shape] = lambda n: Square(n)
    flag: bool = False
    anything: Any = None
    sizes: dict[str, int] | None = None

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size is {self.size}, it must not be negative")


BUILT = [
    ("size", 3.0, 3),
    ("size", "1e3", 1000),
    ("size", Word("7"), 7),
    ("rate", "1e-3", 0.001),
    ("rate", 2, 2.0),
    ("kind", "b", "b"),
    ("names", None, None),
    ("names", "None", None),
    ("names", Word("P07,P08"), ["P07", "P08"]),
    ("names", Word("01"), ["01"]),
    ("names", Word('"a,b",c'), ["a,b", "c"]),
    ("names", Word("['x', y]"), ["x", "y"]),
    ("names", ("x",), ["x"]),
    ("share", 0.5, 0.5),
    ("share", Word("0.5"), 0.5),
    ("share", Word("P1,P2"), ["P1", "P2"]),
    ("flag", Word("true"), True),
    ("sizes", Word("a=1,b=2"), {"a": 1, "b": 2}),
    ("sizes", Word("{a: 1}"), {"a": 1}),
    ("anything", {"a": [1]}, {"a": [1]}),
    ("anything", Word("{a: [1]}"), {"a": [1]}),
]


@pytest.mark.parametrize(("name", "value", "expected"), BUILT)
def test_values_become_what_their_annotation_says(name, value, expected):
    built = getattr(Builder().build(Settings, {"size": 1, name: value}), name)
    assert built == expected
    assert type(built) is type(expected)


REFUSED = [
    ({}, "size: this is missing, expected a whole number"),
    ({"size": -1}, "size is -1, it must not be negative"),
    ({"size": 1.5}, "size: 1.5 is not a whole number"),
    ({"size": True}, "size: true is not a whole number"),
    ({"size": None}, "size: null is not a whole number"),
    ({"size": 1, "rate": "fast"}, "rate: 'fast' is not a number"),
    ({"size": 1, "rat": 2}, "rat: no setting 'rat': did you mean rate? Allowed: "),
    ({"size": 1, "kind": "c"}, "kind: 'c' is not allowed: choose among a, b"),
    ({"size": 1, "names": "P07,P08"}, "names: 'P07,P08' is not a list: write [P07,P08]"),
    ({"size": 1, "names": [7]}, "names[0]: 7 is not text: put it in quotes"),
    ({"size": 1, "share": {}}, "share: {} is not a number or a list"),
    ({"size": 1, "shapes": {"x": ["Sqare"]}}, "shapes.x[0]: no Shape called 'Sqare': did you mean"),
    ({"size": 1, "shapes": [{"side": 2}]}, "shapes[0]: no class is named: write {class: Square, "),
    (
        {"size": 1, "shapes": [{"Square": {"side": 2}}]},
        "shapes[0]: no class is named: write {class: Square, …}",
    ),
    ({"size": 1, "shapes": [3]}, "shapes[0]: 3 is not the name of a class (Shape)"),
    ({"size": 1, "sizes": Word("a")}, "sizes: 'a' is not a mapping: write name=value or {name: v"),
    ({"size": 1, "flag": "maybe"}, "flag: 'maybe' is not true or false"),
]


@pytest.mark.parametrize(("spec", "message"), REFUSED)
def test_a_value_that_cannot_be_used_is_named_with_its_place(spec, message):
    with pytest.raises(SpecError) as refused:
        Builder().build(Settings, spec)
    assert str(refused.value).startswith(message)


def test_a_constructor_that_refuses_is_named_with_its_place():
    with pytest.raises(SpecError, match=r"^a\.b: size is -1, it must not be negative$"):
        Builder().build(dict[str, dict[str, Settings]], {"a": {"b": {"size": -1}}})


def test_objects_pass_through():
    square, grey = Square(2.0), Grey()
    painted = from_spec(Shape, {"class": "Painted", "shape": square, "colours": [grey]})
    assert painted.shape is square
    assert painted.colours == [grey]


def test_a_factory_waits_for_its_first_argument():
    importing = Builder(importing=True)
    made = importing.build(Callable[[float], Shape], {"class": "Square", "name": "x"})
    assert spec_of(made(3.0)) == {"class": "Square", "side": 3.0, "name": "x"}
    assert spec_of(made) == {"class": "Square", "side": 1.0, "name": "x"}
    with pytest.raises(SpecError, match="side: the data decide this: leave it out"):
        importing.build(Callable[[float], Shape], {"class": "Square", "side": 3.0})


def test_a_checkpoint_builds_what_a_factory_would_have_made():
    made = Builder().build(Callable[[float], Shape], {"class": "Square", "side": 3.0})
    assert made.area() == 9


def test_only_an_importing_builder_follows_a_path():
    path = f"{__name__}.Square"
    assert isinstance(Builder(importing=True).build(Shape, path), Square)
    with pytest.raises(SpecError, match="no Shape called"):
        Builder().build(Shape, path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module.Square", "cannot import no_such_module.Square: No module named"),
        ("os.path.join", "is not a subclass of Shape"),
        ("collections.Counter", "is not a subclass of Shape"),
        ("collections.Cuonter", "cannot import collections.Cuonter"),
    ],
)
def test_a_path_that_leads_to_no_such_class_is_refused(path, message):
    with pytest.raises(SpecError, match=message):
        Builder(importing=True).build(Shape, path)


def test_a_class_of_the_user_is_written_with_its_module():
    assert spec_of(Square(), importable_name)["class"] == f"{__name__}.Square"
    assert spec_of(partial(Square, side=2.0))["side"] == 2.0


def test_what_cannot_be_described_is_refused():
    with pytest.raises(TypeError, match="is not a class"):
        spec_of(partial(len))


def test_commas_inside_quotes_do_not_divide():
    assert split_commas('walk, "stairs, up" ,run') == ["walk", "stairs, up", "run"]


def test_errors_go_from_process_to_process():
    with pytest.raises(SpecError) as refused:
        Builder().build(Settings, {"size": "many"})
    error = pickle.loads(pickle.dumps(refused.value))
    assert (str(error), error.path) == (str(refused.value), "size")
