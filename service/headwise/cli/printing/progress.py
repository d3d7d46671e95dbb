"""What stands on a terminal while rows run; it goes away at the end, and is nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def running(what: str = "running the rows") -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, moved by rows done and rows in all; at the end of them it says that it computes."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def move(done: int, rows: int) -> None:
            if done < rows:
                bar.update(task, completed=done, total=rows, description=what)
            else:
                bar.update(task, total=None, description="computing")

        yield move
