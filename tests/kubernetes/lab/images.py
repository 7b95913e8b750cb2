"""Container images made without a registry: an archive of one layer that `ctr images import` takes.

Two are made here for every lab: what holds a pod's namespaces, and a busybox for the small pods of tests.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .build import BIN, LAB_CACHE
from .shell import run

PAUSE = "lab.local/pause:1"
BUSYBOX = "lab.local/busybox:1"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BLOCK = 1 << 20
# A static program too loads these when it asks for a name.
_NAME_LIBRARIES = ("libc.so.6", "libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2")
_LIBRARIES = Path("/lib/x86_64-linux-gnu")
_LOADER = Path("/lib64/ld-linux-x86-64.so.2")


def write_archive(
    out: Path,
    name: str,
    root: Path,
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    user: str = "",
) -> None:
    """Write the image `name` with the files of folder `root`, all owned by root, as archive `out`."""
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        layer = Path(folder, "layer.tar")
        with tarfile.open(layer, "w", format=tarfile.GNU_FORMAT) as archive:
            for each in sorted(root.iterdir()):
                archive.add(each, arcname=each.name, filter=_owned_by_root)
        digest = _sha256(layer)
        variables = [_PATH, *(f"{key}={value}" for key, value in (environment or {}).items())]
        config = _json(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Env": variables, "Cmd": list(command), "User": user},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            }
        )
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        layer_name = f"{digest}/layer.tar"
        manifest = _json([{"Config": config_name, "RepoTags": [name], "Layers": [layer_name]}])
        fresh = Path(folder, "image.tar")
        with tarfile.open(fresh, "w") as archive:
            for member, content in ((config_name, config), ("manifest.json", manifest)):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            archive.add(layer, arcname=layer_name)
        fresh.replace(out)


def base_images() -> list[Path]:
    """Return the archives of the two images of every lab, made if they are missing."""
    folder = LAB_CACHE / "images"
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    for name, fill, command in ((PAUSE, _fill_pause, ["/pause"]), (BUSYBOX, _fill_busybox, ["/bin/sh"])):
        out = folder / f"{name.split('/')[1].replace(':', '-')}.tar"
        if not out.exists():
            with tempfile.TemporaryDirectory(dir=folder) as root:
                fill(Path(root))
                write_archive(out, name, Path(root), command)
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


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _json(content: object) -> bytes:
    return json.dumps(content).encode()
