"""Writes images as docker-archives, which containerd imports: no registry, no daemon; always the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

EPOCH = "2024-01-01T00:00:00Z"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Layer:
    """A tar of files and its SHA-256, which is the layer's name."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image says of itself besides its layers."""

    name: str
    command: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)


def pack(folder: Path, out: Path) -> Layer:
    """Write all of `folder` as a layer. Owners stay as they are in the folder, times become one constant."""
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name, filter=_timeless)
    return of(out)


def pack_files(files: dict[str, tuple[bytes, int]], out: Path) -> Layer:
    """Write a layer of files given as {path: (content, mode)}, all owned by root."""
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return of(out)


def of(path: Path) -> Layer:
    """Return the layer that a tar is."""
    return Layer(path, _digest(path))


def write(recipe: Recipe, layers: tuple[Layer, ...], out: Path) -> None:
    """Write an image of `layers`, lowest first."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": EPOCH,
            "config": {
                "Env": [PATH, *(f"{key}={value}" for key, value in sorted(recipe.variables.items()))],
                "Cmd": list(recipe.command),
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
            "history": [{"created": EPOCH} for _ in layers],
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    paths = [f"{layer.digest}/layer.tar" for layer in layers]
    manifest = json.dumps([{"Config": config_name, "RepoTags": [recipe.name], "Layers": paths}]).encode()
    part = out.with_suffix(".part")
    with tarfile.open(part, "w") as tar:
        for name, content in ((config_name, config), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for layer, path in zip(layers, paths, strict=True):
            tar.add(layer.path, arcname=path, filter=_timeless)
    part.rename(out)


def _timeless(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = 0
    return entry


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
