"""The application that the router is, with a document that says what callers must show."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from headwise import __version__
from headwise.api.rest.documentation import ABOUT, DOCUMENT, PAGE
from headwise.api.rest.entrance import OPEN

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of `headwise keys create`"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key"},
}
_EITHER: list[dict[str, list[str]]] = [{name: []} for name in _SCHEMES]
_OR_NONE = [{}, *_EITHER]
"""Who shows a key where none is needed is told more."""


class Documented(FastAPI):
    """keys: whether callers need one."""

    def __init__(self, *, keys: bool) -> None:
        super().__init__(
            title="headwise",
            version=__version__,
            description=ABOUT,
            docs_url=PAGE,
            openapi_url=DOCUMENT,
            swagger_ui_oauth2_redirect_url=None,
            redoc_url=None,
        )
        self._keys = keys

    def openapi(self) -> dict[str, Any]:
        """The document, which is made once."""
        document = super().openapi()
        if self._keys and "security" not in document:
            document.setdefault("components", {})["securitySchemes"] = _SCHEMES
            document["security"] = _EITHER
            for path, operations in document["paths"].items():
                for operation in operations.values() if path in OPEN else ():
                    operation["security"] = _OR_NONE
        return document
