"""Held-out rows in a file: the model's inputs, and what was true of them."""

from headwise.training.holdout.file import Holdout, read_archive, read_holdout
from headwise.training.holdout.rows import LabelledRows, read_rows
from headwise.training.holdout.targets import plain_targets

__all__ = ["Holdout", "LabelledRows", "plain_targets", "read_archive", "read_holdout", "read_rows"]
