"""The model bundle: a folder of ONNX files with a bundle.json that names every file, its size and its SHA-256.

A bundle is untrusted input. open_bundle() checks all of it before any of it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from reprlib import repr as shown
from typing import Any, BinaryIO, NoReturn

from lexis_core.errors import BundleError
from lexis_core.runtime.onnx_reading import ELEMENTS, read_onnx

FORMAT_VERSION = 1
MANIFEST = "bundle.json"
MAX_MANIFEST_BYTES = 1_000_000
MAX_FILES = 1000
MAX_MODEL_BYTES = 2_000_000_000    # a protocol buffer cannot be larger
DOMAINS = {"", "ai.onnx", "com.microsoft"}  # of the operators ONNX Runtime brings itself
FOREIGN = {"EPContext"}            # of those, what holds compiled code for a device
HALF = "step_half"                 # a model that stands in for "step" on CUDA; the bundle that ships has none
REMEDY = "Install LEXIS again, or fetch the bundle again."


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
    """A verified folder. `models` maps a model's name to its entry; `path` gives the file.

    lexis  : what the sampler must know of its networks, plain JSON
    golden : file with inputs and the outputs they must give, or ""
    """

    folder: Path
    name: str
    models: Mapping[str, ModelEntry]
    lexis: Mapping[str, Any] = field(default_factory=dict)
    golden: str = ""

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
    """Verify a bundle: exactly the files of its bundle.json, each a plain file of the stated size and SHA-256, and
    each model made of ONNX Runtime's own operators, with the inputs and outputs that bundle.json says.

    hard_links : accept files that have a second name elsewhere on the disk
    BundleError when anything is missing, extra, altered, a link, outside the folder, or of a later format.
    """
    folder = Path(folder)
    if not folder.is_dir():
        _refuse(folder, "There is no such folder.")
    manifest = _read_manifest(folder)
    if manifest.get("format_version") != FORMAT_VERSION:
        _refuse(folder, f"It has format {shown(manifest.get('format_version'))}, this LEXIS reads format "
                f"{FORMAT_VERSION}.", "Update LEXIS, or use a bundle made for this version.")
    try:
        files = {name: _file_entry(entry) for name, entry in _is(dict, manifest["files"]).items()}
        models = {name: _model_entry(entry) for name, entry in _is(dict, manifest["models"]).items()}
        bundle = Bundle(folder, _is(str, manifest["name"]), models, _is(dict, manifest.get("lexis", {})),
                        _is(str, manifest.get("golden", "")))
    except (KeyError, ValueError) as error:
        _refuse(folder, f"Its {MANIFEST} lacks or garbles an entry ({type(error).__name__}: {str(error)[:80]}).")
    for name in files:
        if not is_plain_path(name) or name == MANIFEST:
            _refuse(folder, f"Its {MANIFEST} lists {shown(name)}, which is not a plain path inside the folder.")
    named = [(model, entry.file) for model, entry in models.items()]
    for model, file in [*named, *([("golden", bundle.golden)] if bundle.golden else [])]:
        if file not in files:
            _refuse(folder, f"Its {MANIFEST} names the file {shown(file)} for {shown(model)} but does not list it.")
    _check_file_set(folder, set(files))
    for file, (size, digest) in files.items():
        _check_file(folder, file, size, digest, hard_links)
    for model, entry in models.items():
        _check_model(folder, model, entry, set(files))
    if HALF in models and ("step" not in models or any(
            getattr(models[HALF], way) != getattr(models["step"], way) for way in ("inputs", "outputs"))):
        _refuse(folder, f"Its model {HALF!r} cannot stand in for 'step': it has other inputs or outputs.")
    return bundle


def describe(folder: Path, file: str, licence: str) -> ModelEntry:
    """The entry of an ONNX file, its tensors as the file itself says. ValueError when it is no ONNX file."""
    found = read_onnx((folder / file).read_bytes())
    inputs, outputs = ({name: TensorSpec(*spec) for name, spec in tensors.items()}
                       for tensors in (found.inputs, found.outputs))
    return ModelEntry(file, licence, inputs, outputs)


def seal_bundle(folder: Path, name: str, models: Mapping[str, ModelEntry], lexis: Mapping[str, Any] | None = None,
                golden: str = "") -> None:
    """Write bundle.json for the files that lie in the folder now."""
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST):
        data = path.read_bytes()
        files[path.relative_to(folder).as_posix()] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = {"format_version": FORMAT_VERSION, "name": name, "files": files,
                "models": {model: asdict(entry) for model, entry in models.items()}}
    manifest |= ({"lexis": lexis} if lexis else {}) | ({"golden": golden} if golden else {})
    written = folder / f"{MANIFEST}.part"
    written.write_text(json.dumps(manifest, indent=1) + "\n")
    os.replace(written, folder / MANIFEST)


def is_plain_path(name: str) -> bool:
    """Whether a name with forward slashes stays inside its folder on every system."""
    parts = PurePosixPath(name).parts
    return (0 < len(name) <= 200 and name.isprintable() and not any(c in name for c in '\\:*?"<>|')
            and not name.startswith("/") and ".." not in parts and "/".join(parts) == name
            and not any(part.endswith((".", " ")) for part in parts))


def _read_manifest(folder: Path) -> dict:
    try:
        with _opened(folder, MANIFEST) as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
        if len(data) > MAX_MANIFEST_BYTES:
            _refuse(folder, f"Its {MANIFEST} is far too large.")
        manifest = json.loads(data)
    except FileNotFoundError:
        _refuse(folder, f"It has no {MANIFEST}.")
    except (OSError, ValueError, RecursionError) as error:
        _refuse(folder, f"Its {MANIFEST} cannot be read ({str(error)[:80]}).")
    if not isinstance(manifest, dict):
        _refuse(folder, f"Its {MANIFEST} is not a JSON object.")
    return manifest


def _is(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"a {kind.__name__} is needed, not {shown(value)}")
    return value


def _file_entry(entry: Any) -> tuple[int, str]:
    return _is(int, _is(dict, entry)["size"]), _is(str, entry["sha256"])


def _model_entry(entry: Any) -> ModelEntry:
    def tensors(specs: Any) -> dict[str, TensorSpec]:
        return {name: TensorSpec(kind(_is(dict, spec)["type"]), tuple(size(n) for n in _is(list, spec["shape"])))
                for name, spec in _is(dict, specs).items()}

    def kind(value: Any) -> str:
        if value not in ELEMENTS.values():
            raise ValueError(f"{shown(value)} is no type of a tensor")
        return value

    def size(value: Any) -> int:
        if _is(int, value) < -1:
            raise ValueError(f"{value} is no size")
        return value

    return ModelEntry(_is(str, _is(dict, entry)["file"]), _is(str, entry["licence"]), tensors(entry["inputs"]),
                      tensors(entry["outputs"]))


def _check_file_set(folder: Path, listed: set[str]) -> None:
    found, seen = set(), 0
    for root, folders, files in os.walk(folder):
        for name in folders:
            if Path(root, name).is_symlink():
                _refuse(folder, f"{name!r} in it is a link.")
        found |= {Path(root, name).relative_to(folder).as_posix() for name in files}
        seen += len(files) + len(folders)
        if seen > MAX_FILES:
            _refuse(folder, f"It holds more than {MAX_FILES} files.")
    found.discard(MANIFEST)
    if missing := sorted(listed - found):
        _refuse(folder, f"It lacks {', '.join(missing[:5])}.")
    if extra := sorted(found - listed):
        _refuse(folder, f"It holds files that its {MANIFEST} does not list: {', '.join(extra[:5])}.")


def _check_file(folder: Path, name: str, size: int, digest: str, hard_links: bool) -> None:
    with _opened(folder, name) as file:
        status = os.fstat(file.fileno())
        if status.st_nlink > 1 and not hard_links:
            _refuse(folder, f"{name!r} in it is a link or not a plain file.")
        if status.st_size != size or hashlib.file_digest(file, "sha256").hexdigest() != digest:
            _refuse(folder, f"{name!r} in it is damaged or was changed: size or checksum differ from {MANIFEST}.")


def _opened(folder: Path, name: str) -> BinaryIO:
    """A plain file of the bundle, open; a link is not followed, and a pipe is not waited for."""
    path = folder / name
    if path.is_symlink():
        _refuse(folder, f"{name!r} in it is a link.")
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
                         | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        _refuse(folder, f"{name!r} in it is a link or not a plain file.")
    return os.fdopen(descriptor, "rb")


def _check_model(folder: Path, model: str, entry: ModelEntry, files: set[str]) -> None:
    """The operators, files and tensors of a model, against what is allowed and what bundle.json says."""
    name = entry.file
    if (folder / name).stat().st_size > MAX_MODEL_BYTES:
        _refuse(folder, f"{name!r} in it is too large for a model.")
    with _opened(folder, name) as file:
        data = file.read()
    try:
        found = read_onnx(data)
    except (ValueError, RecursionError) as error:
        _refuse(folder, f"{name!r} in it is no ONNX model ({error}).")
    for domain, operator in sorted(found.operators - found.functions):
        if domain not in DOMAINS or operator in FOREIGN:
            _refuse(folder, f"{name!r} in it uses {f'{domain}:{operator}'!r:.80}, which is no operator of ONNX "
                    "Runtime itself.", "Use a bundle whose models need no foreign code.")
    for other in sorted(found.files):
        if not is_plain_path(other) or (PurePosixPath(name).parent / other).as_posix() not in files:
            _refuse(folder, f"{name!r} in it keeps weights in {shown(other)}, which {MANIFEST} does not list.")
    for what, said, real in (("inputs", entry.inputs, found.inputs), ("outputs", entry.outputs, found.outputs)):
        if {name: (spec.type, spec.shape) for name, spec in said.items()} != real:
            _refuse(folder, f"{name!r} in it has other {what} than {MANIFEST} says for {shown(model)}.")


def _refuse(folder: Path, why: str, remedy: str = REMEDY) -> NoReturn:
    raise BundleError(f"The model bundle {folder} cannot be used.", why, remedy)
