"""What verbs take: arguments that several share, and what a user says of heads.

Of heads, an option's VALUE is for the one output, NAME=VALUE for each of several.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer

from headwise.errors import ConfigurationError, InvalidCardError
from headwise.heads import Activation, Task
from headwise.heads.spec import Encoding

T = TypeVar("T")

_TASKS: tuple[Task, ...] = get_args(Task)
_ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
_ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
_EACH = "NAME=… for one of several outputs."

ModelDir = Annotated[Path, typer.Argument(help="models/NAME (its newest version) or models/NAME/VERSION.")]
Data = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        help="Held-out rows: .npz, .csv or .parquet with arrays or columns named as the signature's inputs (or "
        "NAME.0, NAME.1, …; of a model's only input, all columns in their order), and targets.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Labels = Annotated[
    list[str] | None,
    typer.Option(metavar="A,B,…", help=f"One label a class in the units' order (binary: negative,positive). {_EACH}"),
]
LabelsFrom = Annotated[
    list[str] | None, typer.Option(metavar="FILE", help=f"Labels, one a line or as a JSON list. {_EACH}")
]
Tasks = Annotated[
    list[str] | None, typer.Option("--task", metavar="|".join(_TASKS), help=f"Where labels do not tell. {_EACH}")
]
Activations = Annotated[
    list[str] | None,
    typer.Option("--activation", metavar="|".join(_ACTIVATIONS), help=f"Where the graph does not tell. {_EACH}"),
]
Encodings = Annotated[
    list[str] | None,
    typer.Option("--encoding", metavar="|".join(_ENCODINGS), help=f"What an ordinal head's units say. {_EACH}"),
]


@dataclass(frozen=True, slots=True)
class Outputs:
    """names: all that a head could read. chosen: those that --output names, else all."""

    names: tuple[str, ...]
    chosen: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str], chosen: Sequence[str] = ()) -> Outputs:
        """Raises: InvalidCardError where there is none to choose, ConfigurationError for a choice that is no output."""
        if not names:
            raise InvalidCardError("no output can have a head: a head reads floating numbers, a row for each input row")
        if unknown := [name for name in chosen if name not in names]:
            raise ConfigurationError(f"--output {unknown[0]}: the outputs are {', '.join(names)}")
        return cls(tuple(names), tuple(chosen) or tuple(names))

    def labels(self, given: Iterable[str] | None, files: Iterable[str] | None) -> dict[str, tuple[str, ...]]:
        """What --labels and --labels-from say, by output.

        Raises: ConfigurationError.
        """
        typed = self._named("--labels", given, _split_labels)
        listed = self._named("--labels-from", files, _read_labels)
        if twice := sorted(typed.keys() & listed.keys()):
            raise ConfigurationError(f"--labels and --labels-from are both given for output {twice[0]}")
        return typed | listed

    def tasks(self, given: Iterable[str] | None) -> dict[str, Task]:
        """What --task says, by output; raises as `labels` does."""
        return self._named("--task", given, one_of("--task", _TASKS))

    def activations(self, given: Iterable[str] | None) -> dict[str, Activation]:
        """What --activation says, by output; raises as `labels` does."""
        return self._named("--activation", given, one_of("--activation", _ACTIVATIONS))

    def encodings(self, given: Iterable[str] | None) -> dict[str, Encoding]:
        """What --encoding says, by output; raises as `labels` does."""
        return self._named("--encoding", given, one_of("--encoding", _ENCODINGS))

    def objectives(self, given: Iterable[str] | None) -> dict[str, str]:
        """What --objective says, by output; raises as `labels` does. An objective holds = itself: precision>=0.9."""
        texts = list(given or ())
        bare = [text for text in texts if text.partition("=")[0] not in self.names]
        named = [text for text in texts if text not in bare]
        return self._named("--objective", [f"{self._only('--objective', text)}={text}" for text in bare] + named, str)

    def target_priors(self, given: Iterable[str] | None) -> dict[str, tuple[float, ...]]:
        """What --target-prior says, by output; raises as `labels` does."""
        return self._named("--target-prior", given, _split_shares)

    def _named(self, option: str, values: Iterable[str] | None, read: Callable[[str], T]) -> dict[str, T]:
        """The values of an option by output.

        Raises: ConfigurationError for a name that is no output, a bare value where there are several outputs, an
        output that is there twice; what `read` raises.
        """
        found: dict[str, T] = {}
        for text in values or ():
            name, equals, value = text.partition("=")
            if not equals:
                name, value = self._only(option, text), text
            elif name not in self.names:
                raise ConfigurationError(
                    f"{option} {text}: {name!r} is no output; the outputs are {', '.join(self.names)} (labels that "
                    "hold = or a comma are read from a file by --labels-from)"
                )
            if name in found:
                raise ConfigurationError(f"{option}: output {name} is there twice")
            found[name] = read(value)
        return found

    def _only(self, option: str, value: str) -> str:
        if len(self.chosen) != 1:
            raise ConfigurationError(
                f"{option} {value}: which output is meant? Write {option} NAME={value}, NAME one of "
                f"{', '.join(self.chosen)}"
            )
        return self.chosen[0]


def one_of(option: str, choices: Iterable[T]) -> Callable[[str], T]:
    """Reads one of the choices; ConfigurationError for anything else."""
    by_text = {str(choice): choice for choice in choices}

    def read(text: str) -> T:
        if text not in by_text:
            raise ConfigurationError(f"{option} {text}: it must be one of {', '.join(by_text)}")
        return by_text[text]

    return read


def _split_labels(text: str) -> tuple[str, ...]:
    """`a,b` as labels; blanks around each are dropped."""
    return tuple(label.strip() for label in text.split(","))


def _split_shares(text: str) -> tuple[float, ...]:
    """`0.9,0.1` as numbers.

    Raises: ConfigurationError.
    """
    try:
        return tuple(float(share) for share in text.split(","))
    except ValueError as error:
        raise ConfigurationError(
            f"--target-prior {text}: numbers are expected, one a label in the labels' order, such as 0.9,0.1"
        ) from error


def _read_labels(file: str) -> tuple[str, ...]:
    """Labels from a file: a JSON list of texts, or one label a line.

    Raises: ConfigurationError.
    """
    try:
        text = Path(file).read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigurationError(f"--labels-from {file}: cannot be read: {reason}") from error
    if not text.lstrip().startswith("["):
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    try:
        labels: list[Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"--labels-from {file}: begins as a JSON list and is none: {error}") from error
    if not all(isinstance(label, str) for label in labels):
        raise ConfigurationError(f"--labels-from {file}: the JSON list must hold texts only")
    return tuple(labels)
