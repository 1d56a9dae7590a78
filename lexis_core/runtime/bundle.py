"""The model bundle: a folder of ONNX files with a bundle.json that names every file, its size and its SHA-256.

A bundle is untrusted input. open_bundle() checks all of it before any of it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NoReturn

from lexis_core.errors import BundleError

FORMAT_VERSION = 1
MANIFEST = "bundle.json"
MAX_MANIFEST_BYTES = 1_000_000
MAX_FILES = 1000


@dataclass(frozen=True)
class TensorSpec:
    """type : numpy's name of the element type; shape : one number an axis, -1 where any size goes."""

    type: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ModelEntry:
    """One ONNX model: its file in the bundle, its licence (SPDX), the tensors it takes and gives, by name."""

    file: str
    licence: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


@dataclass(frozen=True)
class Bundle:
    """A verified folder. `models` maps a model's name to its entry; `path` gives the file."""

    folder: Path
    name: str
    models: Mapping[str, ModelEntry]

    def path(self, model: str) -> Path:
        """The verified ONNX file of a model. BundleError when the bundle has no such model."""
        if model not in self.models:
            _refuse(self.folder, f"It holds no model called {model!r}, only {', '.join(sorted(self.models))}.")
        return self.folder / self.models[model].file


def default_bundle_folder() -> Path:
    """Where the bundle that comes with the package lies."""
    return Path(__file__).resolve().parent.parent / "data" / "bundle"


@lru_cache(maxsize=1)
def default_bundle() -> Bundle:
    """The bundle that comes with the package, verified once a process.

    Hard links are fine here, because some installers link a package's files out of their cache.
    """
    return open_bundle(default_bundle_folder(), hard_links=True)


def open_bundle(folder: Path | str, hard_links: bool = False) -> Bundle:
    """Verify a bundle: exactly the files of its bundle.json, each a plain file of the stated size and SHA-256.

    hard_links : accept files that have a second name elsewhere on the disk
    BundleError when anything is missing, extra, altered, a link, outside the folder, or of a later format.
    """
    folder = Path(folder)
    if not folder.is_dir():
        _refuse(folder, "There is no such folder.")
    manifest = _read_manifest(folder)
    if manifest.get("format_version") != FORMAT_VERSION:
        _refuse(folder, f"It has format {manifest.get('format_version')!r}, this LEXIS reads format {FORMAT_VERSION}.",
                "Update LEXIS, or use a bundle made for this version.")
    try:
        files = {_safe_name(folder, name): (int(entry["size"]), str(entry["sha256"]))
                 for name, entry in manifest["files"].items()}
        models = {str(name): _model_entry(entry) for name, entry in manifest["models"].items()}
        name = str(manifest["name"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        _refuse(folder, f"Its {MANIFEST} lacks or garbles an entry ({type(error).__name__}: {error}).")
    for model, entry in models.items():
        if entry.file not in files:
            _refuse(folder, f"Its {MANIFEST} names the file {entry.file!r} for {model!r} but does not list it.")
    _check_file_set(folder, set(files))
    for file, (size, digest) in files.items():
        _check_file(folder, file, size, digest, hard_links)
    return Bundle(folder, name, models)


def seal_bundle(folder: Path, name: str, models: Mapping[str, ModelEntry]) -> None:
    """Write bundle.json for the files that lie in the folder now."""
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST):
        data = path.read_bytes()
        files[path.relative_to(folder).as_posix()] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = {"format_version": FORMAT_VERSION, "name": name, "files": files,
                "models": {model: asdict(entry) for model, entry in models.items()}}
    written = folder / f"{MANIFEST}.part"
    written.write_text(json.dumps(manifest, indent=1) + "\n")
    os.replace(written, folder / MANIFEST)


def _read_manifest(folder: Path) -> dict:
    path = folder / MANIFEST
    try:
        if path.is_symlink() or path.stat().st_size > MAX_MANIFEST_BYTES:
            _refuse(folder, f"Its {MANIFEST} is a link or far too large.")
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        _refuse(folder, f"It has no {MANIFEST}.")
    except (OSError, ValueError, RecursionError) as error:
        _refuse(folder, f"Its {MANIFEST} cannot be read ({error}).")
    if not isinstance(manifest, dict):
        _refuse(folder, f"Its {MANIFEST} is not a JSON object.")
    return manifest


def _model_entry(entry: dict) -> ModelEntry:
    def tensors(specs: dict) -> dict[str, TensorSpec]:
        return {str(name): TensorSpec(str(spec["type"]), tuple(int(n) for n in spec["shape"]))
                for name, spec in specs.items()}

    return ModelEntry(str(entry["file"]), str(entry["licence"]), tensors(entry["inputs"]), tensors(entry["outputs"]))


def _safe_name(folder: Path, name: str) -> str:
    """The name itself when it stays inside the folder on every system."""
    parts = PurePosixPath(name).parts
    plain = bool(parts) and not name.startswith("/") and not any(c in name for c in '\\:\0')
    if not plain or ".." in parts or "/".join(parts) != name or name == MANIFEST:
        _refuse(folder, f"Its {MANIFEST} lists {name!r}, which is not a plain path inside the folder.")
    return name


def _check_file_set(folder: Path, listed: set[str]) -> None:
    found = set()
    for root, folders, files in os.walk(folder):
        for name in folders:
            if Path(root, name).is_symlink():
                _refuse(folder, f"{name!r} in it is a link.")
        found |= {Path(root, name).relative_to(folder).as_posix() for name in files}
        if len(found) > MAX_FILES:
            _refuse(folder, f"It holds more than {MAX_FILES} files.")
    found.discard(MANIFEST)
    if missing := sorted(listed - found):
        _refuse(folder, f"It lacks {', '.join(missing)}.")
    if extra := sorted(found - listed):
        _refuse(folder, f"It holds files that its {MANIFEST} does not list: {', '.join(extra[:5])}.")


def _check_file(folder: Path, name: str, size: int, digest: str, hard_links: bool) -> None:
    if (folder / name).is_symlink():
        _refuse(folder, f"{name!r} in it is a link.")
    with open(folder / name, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or (status.st_nlink > 1 and not hard_links):
            _refuse(folder, f"{name!r} in it is a link or not a plain file.")
        if status.st_size != size or hashlib.file_digest(file, "sha256").hexdigest() != digest:
            _refuse(folder, f"{name!r} in it is damaged or was changed: size or checksum differ from {MANIFEST}.")


def _refuse(folder: Path, why: str, remedy: str = "Install LEXIS again, or fetch the bundle again.") -> NoReturn:
    raise BundleError(f"The model bundle {folder} cannot be used.", why, remedy)
