"""headwise calibrate"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from headwise.cli.options import Data, Json, ModelDir, Outputs
from headwise.cli.printing import document
from headwise.cli.printing.progress import running
from headwise.errors import ConfigurationError
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

if TYPE_CHECKING:
    from headwise.training.calibrating.calibrate_version import CalibratedVersion

INTERRUPTED = 130
"""As a shell has it: 128 and the number of SIGINT."""


def calibrate(
    model_dir: ModelDir,
    data: Data,
    output: Annotated[str | None, typer.Option(metavar="NAME", help="Only the head of this output.")] = None,
    signature: Annotated[str, typer.Option(metavar="NAME", help="The signature to run.")] = DEFAULT_SIGNATURE,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OBJECTIVE",
            help="What the decision is tuned for: f1, f2, youden, cost:FP:FN, precision>=0.9, recall>=0.9, "
            "coverage>=0.95, …; left out, the card's decision stays. NAME=… for one of several outputs.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD", help="Take this calibrator whatever it does (temperature, platt, …); else chosen."
        ),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            metavar="embedded|HOST:PORT",
            help="What runs the model: TensorFlow here, or a TensorFlow Serving that has loaded this version.",
        ),
    ] = "embedded",
    target_prior: Annotated[
        list[str] | None,
        typer.Option(
            metavar="P,P,…",
            help="The classes' shares where the model serves, in the labels' order, if they are others than in the "
            "data; multilabel: the share of rows with each label. NAME=… for one of several outputs.",
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rows from where the model serves, to estimate these shares.")
    ] = None,
    training_data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The rows of the training: tells which of them are in the data.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of folds, bootstrap and random prediction sets.")] = 0,
    expires: Annotated[
        str | None, typer.Option(metavar="DATE", help="The last day to use it (2027-01-31); then inspect warns.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write diagrams and tables as one page.")
    ] = None,
    png: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the diagrams as PNG files.")] = None,
    open_report: Annotated[bool, typer.Option("--open", help="Show the report in a browser.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Leave the card as it is.")] = False,
    json: Json = False,
) -> None:
    """Fit, choose and prove a calibration on held-out rows, tune the decision, and write both into the head card.

    The rows must be none that the model was trained on. Targets are class indices or labels; for multilabel 0/1, one
    column a label; of several heads, targets.NAME each. Where nothing is better than leaving the probabilities as they
    are, that is stored and said. The model is untouched, and the card that is replaced is kept (headwise card).

    Needs the extra `calibrate`, and TensorFlow unless --backend names a model server. Exit code 1
    if the data cannot calibrate the model; nothing is written then.
    """
    from headwise import settings

    settings.backend(backend)
    last_day = _day(expires)
    _check_installed("scipy", *(["matplotlib"] if report or png else []))
    if open_report and report is None:
        raise ConfigurationError("--open shows the report: say where to write it, with --report FILE.html")
    if report is not None and (report.is_dir() or not report.absolute().parent.is_dir()):
        raise ConfigurationError(f"--report {report}: a file in a folder that is there is expected")
    if target_prior and unlabelled:
        raise ConfigurationError("--target-prior gives the shares that --unlabelled would estimate: give one of them")
    with _untouched_by_interrupt(), running() as progress:
        from headwise.repository.sources import version_folder
        from headwise.training.calibrating.calibrate_version import Wishes, calibrate_version
        from headwise.training.calibrating.subject import read_subject

        subject = read_subject(version_folder(model_dir), signature, output)
        outputs = Outputs.of(tuple(subject.heads))
        wishes = Wishes(
            objectives=outputs.objectives(objective),
            target_priors=outputs.target_priors(target_prior),
            unlabelled=unlabelled,
            training_data=training_data,
            method=method,
            backend=backend,
            seed=seed,
            expires=last_day,
        )
        calibrated = calibrate_version(subject, data, wishes, progress=progress)
        drawn = _draw(calibrated, report, png)
    changed = None if dry_run else calibrated.write()
    if json:
        from headwise.cli.printing import calibrated_json

        document.show(calibrated_json.document(calibrated, changed, drawn))
    else:
        from headwise.cli.printing import calibrated_tables

        calibrated_tables.show(Console(highlight=False), calibrated, changed, drawn)
    if open_report and report is not None:
        typer.launch(report.absolute().as_uri())


def _day(text: str | None) -> date | None:
    """Raises: ConfigurationError for what is no day, or is over."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--expires {text}: a day such as 2027-01-31 is expected") from error
    if day < datetime.now(UTC).date():
        raise ConfigurationError(f"--expires {text}: that day is over")
    return day


def _check_installed(*names: str) -> None:
    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise ConfigurationError(f"this needs {' and '.join(missing)}: pip install 'headwise[calibrate]'")


def _draw(calibrated: CalibratedVersion, report: Path | None, png: Path | None) -> tuple[Path, ...]:
    """The files of the report and the diagrams.

    Raises: ConfigurationError if they cannot be written.
    """
    if report is None and png is None:
        return ()
    from headwise.calibration.report.page import write_pngs, write_report

    heads = tuple(calibrated.heads.items())
    try:
        if report is not None:
            write_report(report, heads, f"Calibration of {calibrated.subject.version}")
        pngs = () if png is None else write_pngs(png, heads)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or report or png}: cannot be written: {error.strerror}") from error
    return (*([] if report is None else [report]), *pngs)


@contextmanager
def _untouched_by_interrupt() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted: the card is as it was", highlight=False)
        raise typer.Exit(INTERRUPTED) from None
