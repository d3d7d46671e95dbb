"""Raw outputs that are numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headwise.backends.base import Arrays
from headwise.errors import NonFiniteOutputError

_ROWS_SHOWN = 5


def check_finite(outputs: Arrays) -> None:
    """Raises: NonFiniteOutputError naming output and rows."""
    for name, output in outputs.items():
        if output.dtype.kind in "fc" and not np.isfinite(output).all():
            rows = np.isfinite(output).reshape(len(output) if output.ndim else 1, -1)
            bad: NDArray[np.bool_] = np.logical_not(rows.all(axis=1))
            found = np.flatnonzero(bad).tolist()
            more = ", …" if len(found) > _ROWS_SHOWN else ""
            shown = ", ".join(map(str, found[:_ROWS_SHOWN]))
            raise NonFiniteOutputError(
                f"output {name!r} is not finite in {len(found)} of {len(bad)} rows: {shown}{more}"
            )
