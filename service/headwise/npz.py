"""Named arrays as one .npz, whatever their names are: numpy.savez has keywords of its own."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(
    arrays: Mapping[str, NDArray[Any]], more: Mapping[str, bytes] | None = None, *, deflate: bool = False
) -> bytes:
    """An archive as numpy.savez writes it. more: members that are no arrays.

    Raises: ValueError for an array of Python objects.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
        for name, data in (more or {}).items():
            archive.writestr(name, data)
    return file.getvalue()
