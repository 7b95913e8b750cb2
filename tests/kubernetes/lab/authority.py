"""A certificate authority whose keys and certificates lie in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .shell import run

DAYS = "30"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")  # PKCS #8, without a password


class Authority:
    """Its own are `ca.key` and `ca.crt`."""

    def __init__(self, folder: Path, subject: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        own = ["-keyout", self._path("ca.key"), "-out", self._path("ca.crt"), "-days", DAYS, "-subj", subject]
        run("openssl", "req", "-x509", *_KEY, *own)

    def sign(self, name: str, subject: str, alternatives: Sequence[str] = ()) -> None:
        """Make `name`.key and `name`.crt. `alternatives` as OpenSSL writes them: `DNS:a.b`, `IP:10.0.0.1`."""
        key, request, signed = (self._path(f"{name}.{suffix}") for suffix in ("key", "csr", "crt"))
        run("openssl", "req", "-new", *_KEY, "-keyout", key, "-subj", subject, "-out", request)
        extensions = self.folder / f"{name}.ext"
        lines = ["extendedKeyUsage=clientAuth,serverAuth"]
        if alternatives:
            lines.append(f"subjectAltName={','.join(alternatives)}")
        extensions.write_text("\n".join(lines))
        issuer = ["-CA", self._path("ca.crt"), "-CAkey", self._path("ca.key"), "-CAcreateserial"]
        asked = ["-in", request, "-days", DAYS, "-out", signed, "-extfile", str(extensions)]
        run("openssl", "x509", "-req", *issuer, *asked)

    def text(self, name: str) -> str:
        """Return one of its files, as `ca.crt`."""
        return (self.folder / name).read_text()

    def _path(self, name: str) -> str:
        return str(self.folder / name)
