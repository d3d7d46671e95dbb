"""headwise card: show, diff, rollback"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from headwise.cli.options import Json, ModelDir

card = typer.Typer(
    name="card",
    help="Show, compare and take back the revisions of a head card.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


@card.command()
def show(
    source: Annotated[
        str,
        typer.Argument(
            metavar="MODEL_DIR | URL MODEL",
            help="models/NAME (its newest version) or models/NAME/VERSION; or a gateway's URL, and a model of it.",
        ),
    ],
    model: Annotated[
        str | None, typer.Argument(metavar="", help="Of a gateway: NAME, or NAME/VERSION.", show_default=False)
    ] = None,
    revision: Annotated[int | None, typer.Option(min=1, metavar="N", help="An older one; else the newest.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="HEADWISE_API_KEY", help="What a gateway asks for.")] = None,
    json: Json = False,
) -> None:
    """Show a card: its heads, what they were calibrated on and what came out, and its revisions."""
    if "://" in source:
        _show_served(source, model, revision, api_key, json=json)
        return
    if model is not None:
        raise typer.BadParameter("a model stands behind a URL: http://HOST:PORT or grpc://HOST:PORT")
    from headwise.cli.printing import card_tables, document
    from headwise.repository.revisions import find_revision, read_revisions
    from headwise.repository.sources import version_folder

    version = version_folder(Path(source))
    found, revisions = find_revision(version, revision), read_revisions(version)
    if json:
        document.show(card_tables.document(found, revisions))
    else:
        card_tables.show(Console(highlight=False), found, revisions)


def _show_served(url: str, model: str | None, revision: int | None, api_key: str | None, *, json: bool) -> None:
    """The card that a gateway answers by."""
    import orjson

    from headwise.cli.printing import card_tables, document
    from headwise.client import HeadwiseClient

    if model is None:
        raise typer.BadParameter("name the model behind the URL: NAME, or NAME/VERSION")
    if revision is not None:
        raise typer.BadParameter("a gateway knows no older revisions: name the model's folder", param_hint="--revision")
    with HeadwiseClient(url, api_key=api_key) as client:
        card = client.head(model)
    if json:
        document.show({"file": f"{url} {model}", "card": card})
    else:
        card_tables.show_card(Console(highlight=False), f"{url} {model}", orjson.dumps(card))


@card.command()
def diff(
    model_dir: ModelDir,
    a: Annotated[int | None, typer.Argument(min=1, help="A revision; else the last one before B.")] = None,
    b: Annotated[int | None, typer.Argument(min=1, help="Another; else the newest.")] = None,
) -> None:
    """Compare two revisions, as diff -u does; nothing is printed where they are alike."""
    from headwise.repository.revisions import find_revision, previous
    from headwise.repository.sources import version_folder

    version = version_folder(model_dir)
    new = find_revision(version, b)
    old = previous(version, new.number) if a is None else find_revision(version, a)
    lines = difflib.unified_diff(
        old.document.decode("utf-8", "replace").splitlines(),
        new.document.decode("utf-8", "replace").splitlines(),
        f"revision {old.number} {old.file}",
        f"revision {new.number} {new.file}",
        lineterm="",
    )
    console = Console(highlight=False)
    for line in lines:
        console.print(escape(line), style=_STYLES.get(line[:1], ""), soft_wrap=True)


@card.command()
def rollback(
    model_dir: ModelDir,
    revision: Annotated[int | None, typer.Argument(min=1, metavar="N", help="Which; else the last before.")] = None,
    json: Json = False,
) -> None:
    """Make an older card the newest revision again; golden records beside it are decided anew.

    Exit code 1 if that card does not fit the model, or contradicts its golden records; nothing is written then.
    """
    from headwise.cli.printing import document
    from headwise.repository.rollback import roll_back
    from headwise.repository.sources import version_folder

    done = roll_back(version_folder(model_dir), revision)
    if json:
        document.show(
            {
                "file": str(done.changed.file),
                "restored": done.restored,
                "revision": done.changed.revision,
                "golden_records": done.changed.golden,
            }
        )
        return
    console = Console(highlight=False)
    console.print(
        f"[bold green]written[/] {escape(str(done.changed.file))}: revision {done.changed.revision}, as revision "
        f"{done.restored} was",
        soft_wrap=True,
    )
    if done.changed.golden:
        console.print(f"  golden records: {done.changed.golden} decided anew by this card", soft_wrap=True)
