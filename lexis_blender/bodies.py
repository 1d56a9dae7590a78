"""The body models that imports pose, each loaded once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import bpy

from lexis_core.body.files import load_body
from lexis_core.body.model import BodyModel
from lexis_core.errors import InputError

from .scene import store

Body = str | Path | BodyModel | None

_known: dict[str, BodyModel] = {}


def body_of(digest: str, name: str = "", source: str = "default") -> BodyModel:
    """The body with this digest: one already at hand, the default, its own file, or the preferences' SMPL-X file.

    name, source : what it is called and where it was read from, as an import has them
    Raises InputError when none of those is it.
    """
    if digest in _known:
        return _known[digest]
    from . import preferences
    for path in dict.fromkeys((None, None if source == "default" else source, preferences.body_path())):
        if path is None or Path(path).is_file():
            model = _loaded(path)
            if model.digest == digest:
                return model
    raise InputError(f'The body "{name}" is not at hand.',
                     f"The result was solved with it (sha256 {digest[:12]}), and neither the default body nor the "
                     "preferences' SMPL-X file is it.",
                     "Choose its file in the preferences of LEXIS, or give it as body= in scripts.")


def body_of_import(collection: bpy.types.Collection) -> BodyModel:
    """The body that an import's state poses. InputError when it cannot be found."""
    return body_of(str(collection.get(store.BODY_DIGEST, "")), str(collection.get(store.BODY, "")),
                   str(collection.get(store.BODY_SOURCE, "default")))


def given(body: Body) -> BodyModel:
    """The body a script gave: a loaded model, a file, or None for the default; remembered for its imports."""
    model = body if isinstance(body, BodyModel) else _loaded(None if body is None else str(body))
    _known[model.digest] = model
    return model


@lru_cache(maxsize=2)
def _loaded(path: str | None) -> BodyModel:
    return load_body(path)


def forget() -> None:
    """Let go of every body."""
    _known.clear()
    _loaded.cache_clear()
