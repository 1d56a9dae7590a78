"""What scripts call: reconstruct a photo, import and export results, refine them, and read and write their fields."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np

from lexis_core.body.model import BodyModel
from lexis_core.errors import InputError
from lexis_core.files import written_whole
from lexis_core.mesh import Mesh
from lexis_core.objects.model import ObjectModel
from lexis_core.reconstruction import SUFFIX, Reconstruction, load

from . import bodies, compat
from .bodies import Body
from .export import write_glb
from .scene import apply_state, attributes, facts, fields, hypotheses, identity, surface
from .scene import read_back as read
from .scene.assemble import Imported, ImportOptions, assemble
from .scene.shapes import LIMIT
from .scene.stage import dress

__all__ = ["ImportOptions", "Imported", "estimate", "export_glb", "export_reconstruction", "import_reconstruction",
           "measure", "read_back", "read_fields", "refine", "save_blend", "show_field", "write_fields"]

if TYPE_CHECKING:
    from lexis_core.pipeline import Pins

Array = np.ndarray
Source = str | Path | Reconstruction
WRITABLE = (attributes.PAINTED, attributes.PREDICTED)


def estimate(image: str | Path | Array, object: str | Path | ObjectModel | bpy.types.Object, *, body: Body = None,
             options: ImportOptions | None = None, **solver: Any) -> Imported:
    """Reconstruct a photo in this process, and import the best of what is found; the scene keeps all hypotheses.

    image  : a file, or (H, W, 3) uint8
    object : a mesh file, a name of the object library, a loaded ObjectModel, or a mesh object of the scene
    body   : the body model or its SMPL-X file; None for the default
    solver : what lexis_core.pipeline.reconstructions takes: person_mask, object_mask, box, object_box, focal, method,
             steps, weights, hypotheses, seed, device, progress, ...
    Raises LexisError with what happened, why, and what to do.
    """
    from lexis_core import pipeline

    model = bodies.given(body)
    thing = _object_of(object) if isinstance(object, bpy.types.Object) else object
    found = pipeline.reconstructions(image, thing, body=model, **solver)
    if options is None and isinstance(image, (str, Path)):
        options = ImportOptions(name=Path(image).stem)
    made = import_reconstruction(found[0], body=model, options=options)
    hypotheses.keep(made, found)
    return made


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


def refine(made: Imported, *, painted: bool = False, pins: Pins | None = None, body: Body = None,
           **solver: Any) -> Reconstruction:
    """Solve on from where rig and object stand now, in this process, and pose the same rig and object as found.

    painted : towards the painted field (write_fields), instead of by the photo
    pins    : lexis_core.pipeline.Pins, what stays; else the bones that are pinned
    solver  : what lexis_core.pipeline.refine takes: steps, weights, seed, device, progress, cancelled, sessions
    Returns the result, which is also one more hypothesis. Raises LexisError.
    """
    from lexis_core import pipeline

    model = _body_of(made, body)
    goal = fields.painted_goal(made) if painted else None
    if painted and goal is None:
        raise InputError("There is no painted field to solve for.", "What is painted is what is measured.",
                         'Write one first: write_fields(made, "painted", body, object).')
    if pins is None:
        pins = pipeline.Pins(joints=tuple(bone.name for bone in made.rig.pose.bones if bone.get(identity.PINNED)))
    start = read.read_back(bpy.context, made, model, measured=False)
    result = pipeline.refine(start, body=model, pins=pins, painted=None if goal is None else pipeline.Painted(*goal),
                             **solver)
    hypotheses.take(bpy.context, made, model, result)
    return result


def read_fields(made: Imported) -> dict[str, tuple[Array, Array]]:
    """The fields there are, by name: body (Vb,) and object (Vo,), one value a vertex.

    interfield, predicted, painted : float32 in [0, 1]; distance : float32 metres; contact, inside : bool
    """
    names = (*facts.KINDS, attributes.INSIDE)
    return {name: pair for name in names if (pair := fields.read_pair(made, name)) is not None}


def write_fields(made: Imported, name: str, body: Array, object: Array) -> None:
    """Write a field that is not measured: "painted" or "predicted". body (Vb,), object (Vo,), in [0, 1].

    Raises InputError when a length or a value does not fit; then neither mesh is changed.
    """
    if name not in WRITABLE:
        raise InputError(f'The field "{name}" was not written.', "It is measured between the two surfaces.",
                         f"Write {' or '.join(WRITABLE)}, or call measure().")
    for values, item in ((body, made.body), (object, made.object)):
        if np.shape(values) != (len(item.data.vertices),):
            count = len(item.data.vertices)
            raise InputError(f'The field "{name}" was not written.',
                             f'"{item.name}" has {count:,} vertices, and {np.shape(values)} was given.',
                             "Give one value a vertex.")
    fields.write_pair(made, name, body, object)


def show_field(made: Imported, kind: str) -> None:
    """Let the material and the Solid view's colours show one of the fields. InputError when it is not there."""
    fields.show(made, kind)


def measure(made: Imported) -> None:
    """Measure the InterField anew between the surfaces as they are seen now."""
    apply_state.measure(bpy.context, made)


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


def _object_of(item: bpy.types.Object) -> ObjectModel:
    from lexis_core.objects.load import object_of

    vertices, faces = surface.triangles(bpy.context, item)
    return object_of(Mesh(vertices, faces), item.name, "m", "z")


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
