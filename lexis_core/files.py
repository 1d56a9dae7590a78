"""Files at the door: written whole or not at all, and array files read without trusting them."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lexis_core.errors import InputError


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A temporary path with the same suffix to write to; it takes the place of `path` when the block ends well.

    Raises InputError when the folder cannot be made or written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise unwritable(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_arrays(path: Path, names: Collection[str], limit: int) -> dict[str, np.ndarray]:
    """Those of a .npz file's arrays that are named, without pickles; what else it holds is left alone.

    limit : bytes that the whole file may unpack to

    Raises OSError when it cannot be opened, and ValueError when it is damaged, no .npz of plain arrays, or too large.
    """
    with open(path, "rb") as file:
        return arrays_in(file, names, limit)


def arrays_in(file: BinaryIO, names: Collection[str], limit: int) -> dict[str, np.ndarray]:
    """read_arrays() of a file that is open, or of bytes in memory (io.BytesIO)."""
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size <= limit:
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in names if name in arrays.files}
    except (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, SyntaxError, MemoryError,
            zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise ValueError(f"It is damaged, or not a .npz of plain arrays ({error}).") from error
    raise ValueError(f"It would unpack to {size >> 20:,} MB; {limit >> 20:,} MB is the limit.")


def unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"Could not write {path}.", f"The system says: {error.strerror or error}.",
                      "Choose a folder you may write to, with room on its disk.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
