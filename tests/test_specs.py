"""Specs: an object becomes plain data and comes back; nothing but known classes is ever built."""

import json
from abc import ABC, abstractmethod

import pytest

from tsclr.specs import from_spec, nearest, spec_of, subclasses


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


def test_objects_of_another_kind_are_built_inside_where_the_kind_is_named():
    spec = spec_of(Group([Painted(Square(2.0), [Grey(0.25), Grey()])]))
    back = from_spec(Shape, json.loads(json.dumps(spec)), inside=[Colour])
    assert spec_of(back) == spec
    assert isinstance(back.members[0].colours[0], Grey)
    with pytest.raises(KeyError, match="no Shape called 'Grey'"):
        from_spec(Shape, spec)


def test_what_may_stand_inside_may_not_stand_outside():
    with pytest.raises(KeyError, match="no Shape called 'Grey'"):
        from_spec(Shape, {"class": "Grey"}, inside=[Colour])


def test_misspelt_class_inside_is_looked_up_among_all_kinds():
    spec = {"class": "Group", "members": [{"class": "Gray"}]}
    with pytest.raises(KeyError, match="no Shape or Colour called 'Gray': did you mean Grey"):
        from_spec(Shape, spec, inside=[Colour])


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
    with pytest.raises(KeyError, match="no Shape called 'sqare': did you mean Square"):
        from_spec(Shape, {"class": "sqare"})


@pytest.mark.parametrize(
    "name", ["os.system", "tests.test_specs.Square", "Polygon", "Shape", "builtins.eval", None, ""]
)
def test_path_abstract_class_or_nothing_is_refused(name):
    with pytest.raises(
        KeyError, match=r"no Shape called .*Allowed: Forgetful, Group, Painted, Square"
    ):
        from_spec(Shape, {"class": name, "command": "true"})


def test_nested_path_is_refused_too():
    with pytest.raises(KeyError, match=r"no Shape called 'os\.system'"):
        from_spec(Shape, {"class": "Group", "members": [{"class": "os.system"}]})


def test_unknown_argument_suggests_the_near_one():
    with pytest.raises(TypeError, match="Square has no argument 'sidee': did you mean side"):
        from_spec(Shape, {"class": "Square", "sidee": 2.0})


def test_no_near_name_no_suggestion():
    assert nearest("xyz", ["walk", "sit"]) == "Allowed: sit, walk"
