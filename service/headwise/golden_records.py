"""Proves a version before it takes traffic: its golden records, run through the backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from headwise.backends.base import Backend
from headwise.diagnostics.golden import GoldenRecord, difference
from headwise.errors import BackendProtocolError, BackendRejectedError, InvalidTensorError
from headwise.preflight import check_inputs
from headwise.repository.model_spec import ModelSpec
from headwise.repository.served_model import ServedModel

_log = structlog.get_logger(__name__)

_REFUSALS = frozenset({"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"})
"""What a model server says of the request itself: asking again would not help."""


class GoldenProver:
    """Asks the backend for each record's row, a few at once.

    timeout: seconds for one record. count: told the model's name and whether its records held.
    """

    def __init__(
        self, backend: Backend, *, timeout: float, count: Callable[[str, bool], None], at_once: int = 4
    ) -> None:
        self._backend = backend
        self._timeout = timeout
        self._count = count
        self._turn = asyncio.Semaphore(at_once)

    async def __call__(self, model: ServedModel, records: tuple[GoldenRecord, ...]) -> str | None:
        """What the version answers differently from its records, None if all of them hold.

        Raises: BackendError where the backend could not answer, so that it is not known.
        """
        began = time.monotonic()
        found = await asyncio.gather(*(self._run(model, record) for record in records))
        ms = round((time.monotonic() - began) * 1000, 1)
        failed = [(number, text) for number, text in enumerate(found, 1) if text is not None]
        self._count(model.name, not failed)
        if not failed:
            _log.info("golden records hold", model=model.name, version=model.version, records=len(records), ms=ms)
            return None
        number, text = failed[0]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        what = f"record {number} of {len(records)}: {text}{more}"
        _log.warning("golden records fail", model=model.name, version=model.version, difference=what, ms=ms)
        return what

    async def _run(self, model: ServedModel, record: GoldenRecord) -> str | None:
        """What differs for one record."""
        name = record.signature_name
        if name not in model.signatures:
            return f"it asks signature {name!r}; the model's are {', '.join(map(repr, model.signatures))}"
        signature = model.signatures[name]
        spec = ModelSpec(model.name, model.version, signature_name=name)
        try:
            check_inputs(record.inputs, signature)
            async with self._turn:
                raw = await self._backend.predict(spec, record.inputs, timeout=self._timeout)
        except InvalidTensorError as error:
            return str(error)
        except BackendRejectedError as error:
            if error.status not in _REFUSALS:
                raise
            return str(error)
        if raw.version != model.version:
            raise BackendProtocolError(f"version {model.version} was asked, version {raw.version} answered")
        heads = model.valid_card().card.heads_of(name)
        return difference(record, raw.outputs, heads, dtypes=signature.output_dtypes)
