"""The two images that every lab has: what holds a pod's namespaces, and a busybox for the small pods of tests."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from . import archive
from .build import BIN, LAB_CACHE
from .shell import run

PAUSE = "lab.local/pause:1"
BUSYBOX = "lab.local/busybox:1"
# A static program too loads these when it asks for a name.
_NAME_LIBRARIES = ("libc.so.6", "libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2")
_LIBRARIES = Path("/lib/x86_64-linux-gnu")
_LOADER = Path("/lib64/ld-linux-x86-64.so.2")


def base_images() -> list[Path]:
    """Return the archives of the two images, made if they are missing."""
    folder = LAB_CACHE / "images"
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    for name, fill, command in ((PAUSE, _fill_pause, ("/pause",)), (BUSYBOX, _fill_busybox, ("/bin/sh",))):
        out = folder / f"{name.split('/')[1].replace(':', '-')}.tar"
        if not out.exists():
            with tempfile.TemporaryDirectory(dir=folder) as work:
                root = Path(work, "root")
                root.mkdir()
                fill(root)
                layer = archive.pack(root, Path(work, "layer.tar"))
                fresh = Path(work, "image.tar")
                archive.write(archive.Recipe(name, command), (layer,), fresh)
                fresh.replace(out)
        made.append(out)
    return made


def _fill_pause(root: Path) -> None:
    shutil.copy2(BIN / "pause", root / "pause")


def _fill_busybox(root: Path) -> None:
    for each in ("bin", "etc", "lib/x86_64-linux-gnu", "lib64", "tmp", "var", "proc", "sys", "dev", "root"):
        root.joinpath(each).mkdir(parents=True)
    shutil.copy2("/bin/busybox", root / "bin/busybox")
    for name in run("/bin/busybox", "--list").split():
        if name != "busybox":
            root.joinpath("bin", name).symlink_to("busybox")
    for library in _NAME_LIBRARIES:
        shutil.copy2(_LIBRARIES / library, root / "lib/x86_64-linux-gnu" / library)
    shutil.copy2(_LOADER, root / "lib64" / _LOADER.name)
    root.joinpath("etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    root.joinpath("etc/nsswitch.conf").write_text("hosts: files dns\n")
