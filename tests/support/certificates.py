"""Certificates of a CA that a test makes up, as files."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Files:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A CA whose certificates stand in files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.file = folder / f"ca-{id(self)}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def issue(self, name: str = "server", *, common_name: str | None = None) -> Files:
        """A certificate for this machine; of the same name as one before it, in its files."""
        made = self._ca.issue_cert("127.0.0.1", "localhost", common_name=common_name)
        files = Files(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        draft = self._folder / "draft"
        for file, data in ((files.key, made.private_key_pem.bytes()), (files.certificate, _chain(made))):
            draft.write_bytes(data)
            draft.replace(file)
        return files

    def context(self) -> ssl.SSLContext:
        """Of a client that trusts this CA alone."""
        return ssl.create_default_context(cafile=str(self.file))


def _chain(made: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in made.cert_chain_pems)
