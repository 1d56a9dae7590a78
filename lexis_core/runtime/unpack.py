"""A bundle out of a zip file that nobody has to trust."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import NoReturn

from lexis_core.errors import BundleError
from lexis_core.files import unwritable
from lexis_core.runtime.bundle import MAX_FILES, Bundle, is_plain_path, open_bundle

MAX_BYTES = 2_000_000_000  # unpacked
MAX_RATIO = 200            # unpacked to packed; weights hardly shrink, deflate's limit is 1,032
CHUNK = 1 << 20


def unpack_bundle(archive: Path | str, folder: Path | str) -> Bundle:
    """Unpack a zipped bundle into a new folder, which appears whole and verified or not at all.

    BundleError when the archive is damaged, holds links, paths that lead out, or more than is fit; InputError when the
    folder cannot be written. The folder must not exist or be empty.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".bundle", dir=folder.parent) as temporary:
            whole = Path(temporary) / "bundle"
            _extract(archive, whole)
            open_bundle(whole)
            if folder.is_dir():
                folder.rmdir()
            os.replace(whole, folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    return open_bundle(folder)


def _extract(archive: Path, folder: Path) -> None:
    folder.mkdir()
    try:
        with zipfile.ZipFile(archive) as source:
            members = [member for member in source.infolist() if not member.is_dir()]
            _check(archive, members)
            for member in members:
                target = folder / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with source.open(member) as packed, open(target, "xb") as file:
                    shutil.copyfileobj(packed, file, CHUNK)
    except FileNotFoundError:
        _refuse(archive, "There is no such file.")
    except FileExistsError:
        _refuse(archive, "Two of its names are one to this system.")
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError, LookupError,
            IsADirectoryError, NotADirectoryError) as error:
        _refuse(archive, f"It is damaged or no plain zip file ({str(error)[:80]}).")


def _check(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_FILES:
        _refuse(archive, f"It holds more than {MAX_FILES} files.")
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES:
        _refuse(archive, f"It would unpack to {total >> 20:,} MB; {MAX_BYTES >> 20:,} MB is the limit.")
    for member in members:
        if not is_plain_path(member.filename) or member.filename != member.orig_filename:
            _refuse(archive, f"{member.filename!r:.80} in it is not a plain path inside the folder.")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            _refuse(archive, f"{member.filename!r:.80} in it is a link or not a plain file.")
        if member.file_size > CHUNK and member.file_size > MAX_RATIO * max(member.compress_size, 1):
            _refuse(archive, f"{member.filename!r:.80} in it unpacks to more than {MAX_RATIO} times its size.")


def _refuse(archive: Path, why: str) -> NoReturn:
    raise BundleError(f"The bundle {archive} cannot be unpacked.", why, "Fetch it again, from where you trust it.")
