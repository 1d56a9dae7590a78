"""Writing without leaving anything half-written: beside the name first, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"Could not write {path}.", f"The system says: {error.strerror or error}.",
                      "Choose a folder you may write to, with room on its disk.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
