"""Read the arrays of an SMPL-X .pkl without letting it run anything: every name in it becomes a class of ours."""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from lexis_core.errors import InputError

USE_NPZ = "Download the .npz of the same model from the SMPL-X site and load that instead."


class Foreign:
    """An object of a class we do not load (chumpy's arrays, scipy's sparse matrices): attributes, no behaviour."""

    def __new__(cls, *arguments: Any) -> Foreign:
        value = super().__new__(cls)
        value.state = {}
        return value

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


class DataType:
    """numpy.dtype as pickled: a code such as "f8", then a state whose second entry is the byte order."""

    def __init__(self, code: str = "", *flags: Any):
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def numpy(self) -> np.dtype:
        if not isinstance(self.code, str) or not re.fullmatch(r"[<>|=]?[fiub][1248]", self.code):
            raise pickle.UnpicklingError("an array holds something other than numbers")
        kind = np.dtype(self.code)
        return kind.newbyteorder(self.order) if self.order in ("<", ">") else kind


class Stored:
    """numpy.ndarray as pickled: its shape, type, order and bytes, made into an array when asked for."""

    def __init__(self, *arguments: Any):
        self.parts: tuple | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, fortran, data = state
        self.parts = data, kind, shape, "F" if fortran else "C"

    def numpy(self) -> np.ndarray | None:
        """The array, or None when it holds objects or its bytes do not fit its shape."""
        try:
            data, kind, shape, order = self.parts
            data = data.encode("latin1") if isinstance(data, str) else data
            return np.frombuffer(data, kind.numpy()).reshape(shape, order=order)
        except (TypeError, ValueError, AttributeError, pickle.UnpicklingError):
            return None


def _stored(*parts: Any) -> Stored:
    """numpy's _frombuffer(buffer, dtype, shape, order), what protocol 5 calls."""
    value = Stored()
    value.parts = parts
    return value


def _rebuild(kind: Any, *arguments: Any) -> Foreign:
    """What copyreg._reconstructor does, for Foreign objects only."""
    if kind is not Foreign:
        raise pickle.UnpicklingError("it rebuilds an object that is not an array")
    return Foreign()


def _encode(text: str, encoding: str) -> bytes:
    """What protocol 2 calls to carry bytes."""
    return text.encode("latin1")


_NUMPY = {"_reconstruct": Stored, "scalar": Foreign, "ndarray": Stored, "dtype": DataType, "_frombuffer": _stored}
_NUMPY_MODULES = re.compile(r"numpy(\._?core\.(multiarray|numeric))?")
_PYTHON = {
    ("copyreg", "_reconstructor"): _rebuild, ("copy_reg", "_reconstructor"): _rebuild, ("_codecs", "encode"): _encode,
    ("builtins", "object"): Foreign, ("__builtin__", "object"): Foreign,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if _NUMPY_MODULES.fullmatch(module) and name in _NUMPY:
            return _NUMPY[name]
        if (module, name) in _PYTHON:
            return _PYTHON[module, name]
        if module.split(".")[0] == "chumpy" or module.startswith("scipy.sparse"):
            return Foreign
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_pickle(path: Path, data: bytes, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays under these keys, those that are there. InputError if the pickle asks for anything but arrays."""
    what = f"{path.name} was not read."
    try:
        content = _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to mean
        raise InputError(what, f"It is not a pickle of plain arrays: {error}.", USE_NPZ) from error
    if not isinstance(content, dict):
        raise InputError(what, "The pickle does not hold a dictionary.", USE_NPZ)
    arrays = {key: _array(content[key]) for key in keys if key in content}
    for key, array in arrays.items():
        if array is None:
            raise InputError(what, f'Its "{key}" is not a plain array.', USE_NPZ)
    return arrays


def _array(value: Any) -> np.ndarray | None:
    """The array in a pickled ndarray, in chumpy's `x`, or in a scipy column matrix; None if there is none."""
    if isinstance(value, Foreign):
        value = value.state
        return _dense(value) if "indptr" in value else _array(value.get("x"))
    return value.numpy() if isinstance(value, Stored) else None


def _dense(state: dict[str, Any]) -> np.ndarray | None:
    """A scipy csc_matrix's attributes as a dense array, None if they do not fit together."""
    try:
        values, indices, starts = (_array(state[key]) for key in ("data", "indices", "indptr"))
        rows, columns = (int(n) for n in state.get("_shape", state.get("shape")))
        dense = np.zeros((rows, columns))
        np.add.at(dense, (indices, np.repeat(np.arange(columns), np.diff(starts))), values)
    except (KeyError, TypeError, ValueError, IndexError, MemoryError):
        return None
    return dense
