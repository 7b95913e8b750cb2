"""A certificate authority of the tests, which signs for any dates."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")  # PKCS #8, without a password
DAY = 86_400.0
CONFIGURATION = """
[ca]
default_ca = own
[own]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
"""


class Authority:
    """Its own are `ca.key` and `ca.crt`, in `folder`."""

    def __init__(self, folder: Path, name: str = "tests") -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "index.txt").touch()
        (folder / "ca.cnf").write_text(CONFIGURATION.format(folder=folder))
        own = ["-keyout", self.path("ca.key"), "-out", self.path("ca.crt"), "-days", "30", "-subj", f"/CN={name}"]
        run("req", "-x509", *KEY, *own)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def sign(self, name: str, alternatives: Sequence[str] = ("IP:127.0.0.1",), *, begins: float, ends: float) -> None:
        """Make `name`.key and `name`.crt. `alternatives` as OpenSSL writes them. From when to when in Unix time."""
        key, request, signed = (self.path(f"{name}.{suffix}") for suffix in ("key", "csr", "crt"))
        run("req", "-new", *KEY, "-keyout", key, "-subj", f"/CN={name}", "-out", request)
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(
            f"extendedKeyUsage=clientAuth,serverAuth\nsubjectAltName={','.join(alternatives or ('DNS:nobody',))}\n"
        )
        dates = ["-startdate", stamp(begins), "-enddate", stamp(ends)]
        issuer = ["-cert", self.path("ca.crt"), "-keyfile", self.path("ca.key"), "-config", self.path("ca.cnf")]
        run("ca", "-batch", "-notext", *issuer, *dates, "-in", request, "-out", signed, "-extfile", str(extensions))


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%d%H%M%SZ")


def run(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
