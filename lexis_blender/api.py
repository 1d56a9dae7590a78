"""What scripts call: import a reconstruction into the open file, or write one as a .blend or .glb."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np

from lexis_core.body.model import BodyModel
from lexis_core.errors import InputError
from lexis_core.files import written_whole
from lexis_core.reconstruction import SUFFIX, Reconstruction, load

from . import bodies, compat
from .bodies import Body
from .export import write_glb
from .scene import identity
from .scene import read_back as read
from .scene.assemble import Imported, ImportOptions, assemble
from .scene.shapes import LIMIT
from .scene.stage import dress

__all__ = ["ImportOptions", "Imported", "export_glb", "export_reconstruction", "import_reconstruction", "read_back",
           "save_blend"]

Source = str | Path | Reconstruction


def import_reconstruction(source: Source, *, body: Body = None, options: ImportOptions | None = None,
                          file: str | Path = "") -> Imported:
    """Add a reconstruction to the current scene as one new collection.

    source : a *.lexis.npz file or a Reconstruction
    body   : the body model the result was solved with, or its file; None for the default body
    file   : where a Reconstruction was read from, if it was
    Raises InputError when the file is no result, or the body is not the one it was solved with.
    """
    options = options or ImportOptions()
    result = source if isinstance(source, Reconstruction) else load(source)
    model = bodies.given(body)
    _check_agree(result, model)
    name = identity.fitted(options.name or name_of(source), 24) or "LEXIS"
    file = file if isinstance(source, Reconstruction) else source
    return assemble(bpy.context, result, model, name, options, str(Path(file).absolute()) if file else "")


def read_back(made: Imported, *, body: Body = None) -> Reconstruction:
    """The import as it was posed and placed now: a Reconstruction to save, compare, or go on from.

    body : needed only when it is neither the default nor one that was given before
    What was not touched comes back bit for bit; where anything moved, the InterField is measured anew.
    """
    return read.read_back(bpy.context, made, _body_of(made, body))


def export_reconstruction(made: Imported, out_path: str | Path, *, body: Body = None) -> Reconstruction:
    """Write the import as it stands now to a *.lexis.npz file, and return what was written."""
    _check_suffix(out_path, ".npz")
    result = read_back(made, body=body)
    result.save(out_path)
    return result


def save_blend(source: Source, out_path: str | Path, *, body: Body = None,
               options: ImportOptions | None = None) -> Imported:
    """Write a reconstruction as a .blend of its own, ready to render; the photo is packed into it.

    Starts from an empty file, so it refuses to run inside an open Blender window. The file appears whole or not at all.
    Returns the import in the new, still open file, which export_glb takes.
    """
    _check_suffix(out_path, ".blend")
    made = _import_alone(source, body, options)
    with written_whole(out_path) as temporary, _reported(out_path):
        temporary.unlink()  # else Blender keeps the empty file as a backup
        bpy.ops.wm.save_as_mainfile(filepath=str(temporary), check_existing=False, compress=True, copy=True)
    return made


def export_glb(source: Source | Imported, out_path: str | Path, *, body: Body = None) -> None:
    """Write rig, skin, shape keys and object as .glb, with the fields as _INTERFIELD, _DISTANCE and _CONTACT.

    source : what import_reconstruction returned, or as for save_blend (then in an empty file of its own)
    """
    _check_suffix(out_path, ".glb")
    made = source if isinstance(source, Imported) else _import_alone(source, body, None)
    with written_whole(out_path) as temporary, _reported(out_path):
        write_glb(made, temporary)


def _import_alone(source: Source, body: Body, options: ImportOptions | None) -> Imported:
    if not bpy.app.background:
        raise InputError("The file was not written.", "It starts from an empty scene and would close the open one.",
                         "Use import_reconstruction and save, or run this with `blender --background`.")
    result = source if isinstance(source, Reconstruction) else load(source)
    options = replace(options or ImportOptions(), set_scene=True)
    if not options.name:
        options = replace(options, name=name_of(source))
    model = bodies.given(body)
    _check_agree(result, model)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)  # preferences and add-ons stay as they are
    made = import_reconstruction(result, body=model, options=options)
    dress(bpy.context.scene)
    return made


@contextmanager
def _reported(path: str | Path) -> Iterator[None]:
    """What a Blender operator reports as RuntimeError, said as an InputError; its chatter is kept quiet."""
    try:
        with compat.quiet():
            yield
    except RuntimeError as error:
        raise InputError(f"Could not write {path}.", f"Blender says: {error}".strip(),
                         "Choose a folder you may write to, with room on its disk.") from error


def _body_of(made: Imported, body: Body) -> BodyModel:
    return bodies.body_of_import(made.collection) if body is None else bodies.given(body)


def name_of(source: Source) -> str:
    if isinstance(source, Reconstruction):
        return "LEXIS"
    return Path(source).name.removesuffix(SUFFIX).removesuffix(".npz")


def _check_suffix(path: str | Path, suffix: str) -> None:
    if Path(path).suffix.lower() != suffix:
        raise InputError(f"{path} was not written.", f"Its name does not end in {suffix}.", f"End it in {suffix}.")


def _check_agree(result: Reconstruction, model: BodyModel) -> None:
    if result.body_digest != model.digest:
        raise InputError(f"The result was solved with another body than {model.name}.",
                         f'It poses "{result.body_name}" (sha256 {result.body_digest[:12]}).',
                         "Give that body's file (--body, or body= in scripts).")
    if (len(result.field.body), len(result.field.object)) != (len(model.template), len(result.object.mesh.vertices)):
        raise InputError("The result does not fit together.", "Its InterField has other vertices than its meshes.",
                         "Run the reconstruction again.")
    state = result.state.body
    if max(np.abs(state.betas).max(), np.abs(state.expression).max()) > LIMIT:
        raise InputError("The result's shape cannot be shown.",
                         f"A coefficient is beyond {LIMIT:.0f}, which is as far as a shape key goes.",
                         "Run the reconstruction again; betas are usually within 5.")
    if max(state.betas.size - model.shape_dirs.shape[2], state.expression.size - model.expression_dirs.shape[2]) > 0:
        raise InputError(f"The body {model.name} does not fit the result.", "It has too few betas or expressions.",
                         "Give a body with at least 10 of each.")
