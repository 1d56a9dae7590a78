"""Body files: SMPL-X's .npz and .pkl as the user has them, and the open default that ships here."""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from lexis_core.body.model import BodyModel, component_major
from lexis_core.body.names import PARENTS
from lexis_core.body.unpickle import read_pickle
from lexis_core.errors import InputError

Array = np.ndarray

DEFAULT = Path(__file__).parents[1] / "data" / "body" / "lexis_body.npz"
MEMORY = 2 << 30
SMPLX_KEYS = (
    "v_template", "f", "shapedirs", "posedirs", "weights", "J_regressor", "kintree_table", "hands_meanl", "hands_meanr"
)
OWN_KEYS = (
    "lexis_body", "name", "template", "faces", "shape_dirs", "expression_dirs", "expression_vertices", "weights",
    "weight_joints", "joint_template", "joint_shape_dirs", "joint_expression_dirs", "hand_mean_left",
    "hand_mean_right", "expression_names",
)
REMEDY = "Give the SMPL-X model file as downloaded (for example SMPLX_NEUTRAL.npz), or leave the body out."


def load_body(path: str | Path | None = None) -> BodyModel:
    """A body model from an SMPL-X file (.npz or .pkl) or our own .npz; None loads the open default.

    Nothing in the file is executed. InputError when a key is missing or an array is not what SMPL-X says.
    """
    path = DEFAULT if path is None else Path(path)
    data = _read(path)
    arrays = read_pickle(path, data, SMPLX_KEYS) if path.suffix == ".pkl" else _read_npz(path, data)
    digest = hashlib.sha256(data).hexdigest()
    source = "default" if path == DEFAULT else str(path)
    if "lexis_body" in arrays:
        return _own(_Checked(path, arrays), digest, source)
    return _smplx(_Checked(path, arrays), digest, source)


@lru_cache(maxsize=1)
def default_body() -> BodyModel:
    """The open default, read once a process. Its arrays are shared: do not write into them."""
    return load_body()


def _read(path: Path) -> bytes:
    if path.suffix not in (".npz", ".pkl"):
        raise InputError(f"{path.name} is not a body file.", "Its name ends neither in .npz nor in .pkl.", REMEDY)
    try:
        size = path.stat().st_size
        if size > MEMORY:
            raise _too_big(path, size)
        return path.read_bytes()
    except OSError as error:
        why = error.strerror or "it cannot be opened"
        raise InputError(f"The body file {path} was not read.", f"The system says: {why}.", REMEDY) from error


def _too_big(path: Path, size: int) -> InputError:
    why = f"It holds {size / 2**30:.1f} GiB, far more than a body."
    return InputError(f"{path.name} was not read.", why, REMEDY)


def _read_npz(path: Path, data: bytes) -> dict[str, Array]:
    """Only the keys we know; the others may hold pickled objects and stay untouched."""
    wanted = {*SMPLX_KEYS, *OWN_KEYS}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            sizes = [i.file_size for i in archive.infolist() if i.filename.removesuffix(".npy") in wanted]
        if sum(sizes) > MEMORY:
            raise _too_big(path, sum(sizes))
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files if key in wanted}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, MemoryError, SyntaxError) as error:
        raise InputError(
            f"{path.name} was not read.", f"It is damaged, or not a .npz of plain arrays ({error}).", REMEDY
        ) from error


class _Checked:
    """The arrays of one file, handed out only when they have the shape and the kind asked for."""

    def __init__(self, path: Path, arrays: dict[str, Array]):
        self.path, self.arrays = path, arrays

    def refuse(self, why: str) -> InputError:
        return InputError(f"{self.path.name} is not a body this version can use.", why, REMEDY)

    def raw(self, key: str, shape: tuple[int | None, ...]) -> Array:
        """The array as stored; None in the shape leaves that axis open."""
        if key not in self.arrays:
            raise self.refuse(f'It has no "{key}".')
        array = self.arrays[key]
        fits = len(array.shape) == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
        if not fits:
            want = ", ".join("any" if n is None else str(n) for n in shape)
            raise self.refuse(f'Its "{key}" has shape {array.shape}, not ({want}).')
        return array

    def numbers(self, key: str, *shape: int | None) -> Array:
        """Finite float32 numbers."""
        array = self.raw(key, shape)
        if array.dtype.kind not in "fiu":
            raise self.refuse(f'Its "{key}" holds {array.dtype}, not numbers.')
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise self.refuse(f'Its "{key}" has values that are not finite.')
        return array

    def indices(self, key: str, below: int, *shape: int | None) -> Array:
        """Whole numbers in 0..below-1, as int32."""
        array = self.raw(key, shape)
        if array.dtype.kind not in "fiu" or not np.array_equal(array, np.trunc(array)):
            raise self.refuse(f'Its "{key}" does not hold whole numbers.')
        if array.size and (array.min() < 0 or array.max() >= below):
            raise self.refuse(f'Its "{key}" points outside 0..{below - 1}.')
        return array.astype(np.int32)

    def words(self, key: str, *shape: int | None) -> tuple[str, ...]:
        array = self.raw(key, shape)
        if array.dtype.kind != "U":
            raise self.refuse(f'Its "{key}" does not hold text.')
        return tuple(str(word) for word in array.ravel())


def _smplx(file: _Checked, digest: str, source: str) -> BodyModel:
    """SMPL-X's keys: 400 shape columns are 300 betas and 100 expressions, 20 are 10 and 10."""
    template = file.numbers("v_template", None, 3)
    count = len(template)
    if count == 0:
        raise file.refuse('Its "v_template" is empty.')
    dirs = file.numbers("shapedirs", count, 3, None)
    columns = dirs.shape[2]
    if columns != 20 and columns < 400:
        raise file.refuse(f'Its "shapedirs" has {columns} columns; SMPL-X has 400 (300 + 100) or 20 (10 + 10).')
    betas, end = (300, 400) if columns >= 400 else (10, 20)
    regressor = file.numbers("J_regressor", 55, count)
    joint_dirs = (regressor @ dirs[:, :, :end].reshape(count, -1)).reshape(55, 3, end)
    _check_kintree(file)
    return BodyModel(
        name=file.path.stem,
        template=template,
        faces=file.indices("f", count, None, 3),
        shape_dirs=component_major(dirs[:, :, :betas]),
        expression_dirs=component_major(dirs[:, :, betas:end]),
        pose_dirs=component_major(file.numbers("posedirs", count, 3, 486)),
        weights=_check_weights(file, file.numbers("weights", count, 55)),
        joint_template=regressor @ template,
        joint_shape_dirs=component_major(joint_dirs[:, :, :betas]),
        joint_expression_dirs=component_major(joint_dirs[:, :, betas:]),
        parents=np.array(PARENTS, np.int32),
        hand_mean_left=file.numbers("hands_meanl", 45).reshape(15, 3),
        hand_mean_right=file.numbers("hands_meanr", 45).reshape(15, 3),
        expression_names=tuple(f"expression {i}" for i in range(end - betas)),
        digest=digest,
        source=source,
    )


def _check_kintree(file: _Checked) -> None:
    """The joints must hang together as SMPL-X's do; its root is written as -1 or 2^32 - 1."""
    table = file.raw("kintree_table", (2, 55))
    if table.dtype.kind not in "iu" or tuple(int(p) for p in table[0, 1:]) != PARENTS[1:]:
        raise file.refuse('Its "kintree_table" is not SMPL-X\'s tree of 55 joints.')
    if int(table[0, 0]) not in (-1, 2**32 - 1, 2**64 - 1):
        raise file.refuse('Its "kintree_table" does not begin with a root.')


def _check_weights(file: _Checked, weights: Array) -> Array:
    sums = weights.sum(1)
    if weights.min() < -1e-4 or np.abs(sums - 1).max() > 1e-3:
        raise file.refuse('Its "weights" are negative or do not sum to 1 for every vertex.')
    return weights


def _own(file: _Checked, digest: str, source: str) -> BodyModel:
    """The format bake.py writes: weights by their few joints, expressions by the vertices they move."""
    version = file.raw("lexis_body", ())
    if version.dtype.kind not in "iu" or int(version) != 1:
        raise file.refuse(f"It is of version {version}; this version reads 1.")
    template = file.numbers("template", None, 3)
    count = len(template)
    if count == 0:
        raise file.refuse('Its "template" is empty.')
    shape_dirs = file.numbers("shape_dirs", None, count, 3)
    names = file.words("expression_names", None)
    moved = file.indices("expression_vertices", count, None)
    expression = file.numbers("expression_dirs", len(names), len(moved), 3)
    dense = np.zeros((len(names), count, 3), np.float32)
    dense[:, moved] = expression
    return BodyModel(
        name=file.words("name")[0],
        template=template,
        faces=file.indices("faces", count, None, 3),
        shape_dirs=shape_dirs.transpose(1, 2, 0),
        expression_dirs=dense.transpose(1, 2, 0),
        pose_dirs=None,
        weights=_check_weights(file, _dense_weights(file, count)),
        joint_template=file.numbers("joint_template", 55, 3),
        joint_shape_dirs=file.numbers("joint_shape_dirs", len(shape_dirs), 55, 3).transpose(1, 2, 0),
        joint_expression_dirs=file.numbers("joint_expression_dirs", len(names), 55, 3).transpose(1, 2, 0),
        parents=np.array(PARENTS, np.int32),
        hand_mean_left=file.numbers("hand_mean_left", 15, 3),
        hand_mean_right=file.numbers("hand_mean_right", 15, 3),
        expression_names=names,
        digest=digest,
        source=source,
    )


def _dense_weights(file: _Checked, count: int) -> Array:
    values = file.numbers("weights", count, None)
    joints = file.indices("weight_joints", 55, *values.shape)
    dense = np.zeros((count, 55), np.float32)
    np.add.at(dense, (np.arange(count)[:, None], joints), values)
    return dense / np.maximum(dense.sum(1, keepdims=True), 1e-6)
