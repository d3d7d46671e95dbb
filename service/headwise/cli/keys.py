"""headwise keys: create, list, revoke"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from headwise.cli.options import Json
from headwise.errors import ConfigurationError, NotFoundError

if TYPE_CHECKING:
    from headwise.access.keys import Key

keys = typer.Typer(
    name="keys",
    help="Make, list and revoke the keys that callers of a gateway show.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

_DAYS = re.compile(r"(?P<days>[1-9][0-9]{0,4})d", re.ASCII)

File = Annotated[Path, typer.Option(help="The keys file, as the gateway's --keys-file has it.")]


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="Whose key it is, for people.")],
    scope: Annotated[
        list[str],
        typer.Option(
            metavar="model:NAME:VERB",
            help="What it may do; repeatable. NAME may be * or end with it; VERB is predict, metadata, admin or *.",
        ),
    ],
    file: File = Path("keys.json"),
    expires: Annotated[str | None, typer.Option(metavar="90d|DATE", help="When it ends; else never.")] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="NUMBER/PERIOD", help="How often it may ask, such as 100/second.")
    ] = None,
    certificate: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="No key: the common name of a client certificate, over gRPC, stands for it."),
    ] = None,
) -> None:
    """Make a key and print it; the file keeps its hash alone, so this is the only time that it is shown.

    A running gateway knows it within a second.
    """
    from headwise.access.key_file import change
    from headwise.access.keys import Key, digest, make_text
    from headwise.access.rates import Rate
    from headwise.access.scopes import Scope

    identity, text = make_text()
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        key = Key(
            id=identity,
            name=name,
            sha256=digest(text) if certificate is None else None,
            certificate=certificate,
            scopes=tuple(Scope.parse(one) for one in scope),
            created=now,
            expires=None if expires is None else _end(expires, now),
            rate=None if rate is None else Rate.parse(rate),
        )
    except ValueError as error:
        raise ConfigurationError(_said(error)) from error
    change(file, lambda kept: (*kept, key), begin=True)
    note = Console(stderr=True, highlight=False, soft_wrap=True)
    if certificate is None:
        print(text)  # noqa: T201
        note.print(f"key {identity} is in {file}; it is shown this once", markup=False)
    else:
        print(identity)  # noqa: T201
        note.print(f"{identity} is in {file}: the certificate {certificate} stands for it", markup=False)


@keys.command("list")
def list_keys(file: File = Path("keys.json"), json: Json = False) -> None:
    """List the keys of a file, without what they are known by."""
    from headwise.access.key_file import read_ring
    from headwise.cli.printing import document

    found = read_ring(file).keys
    if json:
        document.show({"keys": [key.model_dump(mode="json", exclude={"sha256"}) for key in found]})
        return
    titles = ("id", "name", "scopes", "created", "expires", "rate", "certificate")
    table = Table(*(Column(title, overflow="fold") for title in titles))
    now = datetime.now(UTC).timestamp()
    for key in found:
        table.add_row(
            key.id,
            key.name,
            "\n".join(map(str, key.scopes)),
            f"{key.created:%Y-%m-%d}",
            _told_end(key, now),
            str(key.rate or ""),
            key.certificate or "",
        )
    Console(highlight=False, markup=False).print(table)


@keys.command()
def revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")], file: File = Path("keys.json")
) -> None:
    """Take a key out of the file; a running gateway refuses it within a second."""
    from headwise.access.key_file import change

    def without(kept: tuple[Key, ...]) -> tuple[Key, ...]:
        left = tuple(key for key in kept if key.id != identity)
        if len(left) == len(kept):
            raise NotFoundError(
                f"{file} has no key {identity!r}; its keys are {', '.join(k.id for k in kept) or 'none'}"
            )
        return left

    change(file, without)
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"revoked {identity}", markup=False)


def _end(text: str, now: datetime) -> datetime:
    """`90d` from now, or a date; the end of that day, unless it says a time.

    Raises: ConfigurationError.
    """
    if (days := _DAYS.fullmatch(text)) is not None:
        end = now + timedelta(days=int(days["days"]))
    else:
        try:
            end = datetime.fromisoformat(text)
        except ValueError as error:
            raise ConfigurationError(f"--expires {text}: 90d or a date such as 2030-12-31 is expected") from error
        end = end if end.tzinfo is not None else end.replace(tzinfo=UTC)
        if "T" not in text and " " not in text:
            end += timedelta(days=1)
    if end <= now:
        raise ConfigurationError(f"--expires {text}: that is over")
    return end


def _told_end(key: Key, now: float) -> str:
    if key.expires is None:
        return "never"
    return f"{key.expires:%Y-%m-%d}{' (over)' if key.expired(now) else ''}"


def _said(error: ValueError) -> str:
    """What is wrong, of pydantic's words the first."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"--{'.'.join(map(str, first['loc']))}: {first['msg']}"
