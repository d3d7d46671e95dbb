"""The tree drawn in the docstring of errors.py is the tree of its classes."""

from __future__ import annotations

from headwise import errors
from headwise.errors import HeadwiseError

LEVELS = {"": 0, "+": 1, "-": 2}


def drawn() -> dict[str, str | None]:
    """Class name -> name of the class it is drawn under."""
    _, _, tree = (errors.__doc__ or "").partition("\n\n")
    parents: dict[str, str | None] = {}
    above: dict[int, str] = {}
    for line in tree.partition("\n\n")[0].splitlines():
        sign, name = (line.split()[0], line.split()[1]) if line.strip()[0] in "+-" else ("", line.split()[0])
        level = LEVELS[sign]
        assert len(line) - len(line.lstrip()) == max(0, 2 * (level - 1)), line
        parents[name] = above.get(level - 1)
        above[level] = name
    return parents


def classes() -> list[type[HeadwiseError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HeadwiseError)]


def test_the_drawing_is_the_tree() -> None:
    assert drawn() == {kind.__name__: None if kind is HeadwiseError else kind.__mro__[1].__name__ for kind in classes()}


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [vars(kind).get("code") for kind in classes()]

    assert None not in codes
    assert len(set(codes)) == len(codes)
    assert all(code == code.lower() and " " not in code for code in codes if code)


def test_a_rejection_keeps_what_the_model_server_said() -> None:
    error = errors.BackendRejectedError("NOT_FOUND", "no such version")

    assert (error.status, error.detail) == ("NOT_FOUND", "no such version")
    assert str(error) == "the model server answered NOT_FOUND: no such version"
