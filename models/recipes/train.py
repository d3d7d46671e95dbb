"""Train and export the example models that are missing: `python models/recipes/train.py`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from recipe import Recipe

NAMES = (
    "tumor",
    "wine",
    "digits",
    "parity",
    "parity_logit",
    "parity_two",
    "digit_traits",
    "severity",
    "diabetes",
)
BUDGET_SECONDS = 180


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all models are there; 1: a model could not be trained or falls short; 130: interrupted."""
    options = _parser().parse_args(arguments)
    try:
        wanted = options.only or (_listed(options.listed_in, options.models) if options.listed_in else NAMES)
        missing = [name for name in wanted if options.force or not is_exported(options.models / name)]
        if missing:
            return _train_all(missing, options.models)
        found = f"{_counted(len(wanted))} in {options.models}: already there"
        print(found if wanted else f"{options.listed_in} lists no example model in {options.models}")
        return 0
    except KeyboardInterrupt:
        print("\ninterrupted: the models that were finished are kept", file=sys.stderr)
        return 130
    except ImportError as error:
        print(
            f"\ncannot train the example models: {error}; `make models` trains them in the project's own environment",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(f"\ncannot train the example models: {error}", file=sys.stderr)
        return 1


def is_exported(folder: Path) -> bool:
    """Whether some version of the model has a card; the card is the last thing that an export writes."""
    return any(folder.glob("[0-9]*/assets.extra/head.json"))


def _listed(file: Path, models: Path) -> list[str]:
    """The example models that a model config file serves from the repository; its other models are their owner's."""
    from headwise.errors import ConfigurationError  # noqa: PLC0415 - without it installed, main says what to do
    from headwise.repository.sources import ModelConfigFile  # noqa: PLC0415

    try:
        locations = ModelConfigFile(file).locations()
    except ConfigurationError as error:
        sys.exit(f"cannot tell which example models are wanted: {error}")
    return [name for name in NAMES if name in locations and locations[name].base_path == models / name]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Train and export the example models that are missing (about half a minute for all)."
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=f"of: {', '.join(NAMES)}")
    which.add_argument(
        "--listed-in", type=Path, metavar="FILE", help="only those that this model config file serves from DIR"
    )
    parser.add_argument("--force", action="store_true", help="train again, and export as the next version")
    parser.add_argument(
        "--models",
        type=Path,
        default=Path(__file__).resolve().parent.parent,
        metavar="DIR",
        help="the model repository (default: the folder above the recipes)",
    )
    return parser


def _train_all(names: Sequence[str], models: Path) -> int:
    began = time.perf_counter()
    models.mkdir(parents=True, exist_ok=True)
    print(f"training {_counted(len(names))} into {models}: starting TensorFlow …", flush=True)
    _start_tensorflow()
    short = [name for place, name in enumerate(names, 1) if not _train_one(name, models, place, len(names))]
    spent = time.perf_counter() - began
    print(f"{_counted(len(names) - len(short))} exported in {spent:.1f} s (all nine: under {BUDGET_SECONDS} s)")
    if short:
        print(f"not exported, below the figure expected of them: {', '.join(short)}", file=sys.stderr)
    return 1 if short else 0


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ends with KeyboardInterrupt after an interrupt, which TensorFlow may swallow, or raise as an error of its own."""
    interrupts: list[int] = []

    def interrupt(number: int, _: object) -> None:
        interrupts.append(number)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # a job in the background ignores interrupts
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Exception as error:
        if interrupts:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        raise KeyboardInterrupt


@_interruptible()
def _train_one(name: str, models: Path, place: int, count: int) -> bool:
    """Train, measure, export; a model that falls short is reported and not exported."""
    import held_out  # noqa: PLC0415 - these import TensorFlow, which only training pays for
    from recipe import measure  # noqa: PLC0415

    from headwise import export  # noqa: PLC0415

    began = time.perf_counter()
    print(f"[{place}/{count}] {name:<13} …", end="", flush=True)
    recipe = cast("Recipe", importlib.import_module(name))
    trained = recipe.train()
    figure_name, figure = measure(trained)
    expected = recipe.EXPECTED
    reached = figure >= expected.least
    if reached:
        held_out.write(models / name, trained)
        export(trained.model, models / name, trained.head, validation_data=trained.rows)
    print(
        f" {time.perf_counter() - began:5.1f} s  {figure_name} {figure:.3f} (expected ≥ {expected.least:g})\n"
        f"      {expected.why}"
    )
    return reached


@_interruptible()
def _start_tensorflow() -> None:
    """Import TensorFlow, deterministic and on the CPU."""
    from headwise.modelserver.quiet import import_tensorflow  # noqa: PLC0415

    tf = import_tensorflow()
    tf.config.set_visible_devices([], "GPU")
    tf.config.experimental.enable_op_determinism()


def _counted(count: int) -> str:
    return f"{count} example model{'s' if count != 1 else ''}"


if __name__ == "__main__":
    sys.exit(main())
