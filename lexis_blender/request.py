"""What the worker is asked, read off the scene. The main thread takes what only it may touch; prepare() does the rest.

Only quick reads happen here: files are named and read by the worker, pixels are copied and converted on a thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from lexis_core.errors import InputError

from . import preferences, runtime
from .scene import identity

if TYPE_CHECKING:
    from lexis_core.body.model import BodyModel

    from .scene.identity import Imported

Request = tuple[dict[str, Any], dict[str, Any]]
WEIGHTS = ("field", "mask", "landmarks", "inside")


def reconstruct(context: bpy.types.Context) -> Callable[[], Request]:
    """The request for a reconstruction as the scene's settings say; call what is returned on a thread.

    InputError when something is missing.
    """
    settings = context.scene.lexis
    options = solver_options(settings) | {"method": settings.method.lower(), "hypotheses": settings.hypotheses}
    if settings.focal > 0:
        options["focal"] = settings.focal
    arrays: dict[str, Any] = {}
    later: dict[str, Callable[[], Any]] = {}
    source = settings.image_path if settings.image_source == "FILE" else settings.image
    _add_picture("image", _photo(settings.image_source, source), options, later)
    for who, box in (("person", "box"), ("object", "object_box")):
        _add_mask(settings, who, box, options, later)
    _add_object(context, options, arrays)

    def prepare() -> Request:
        for name, make in later.items():
            made = make()
            (options if isinstance(made, str) else arrays)[name] = made
        return weighed(options), arrays

    return prepare


def refine(context: bpy.types.Context, made: Imported, model: BodyModel,
           painted: bool = False) -> Callable[[], Request]:
    """The request for a refinement from where the rig and the object stand now; to be called on a thread.

    painted : towards what is painted, instead of by the photo. InputError when nothing is
    """
    from lexis_core.reconstruction import to_arrays

    from .scene import fields, read_back

    goal = fields.painted_goal(made) if painted else None
    if painted and goal is None:
        raise InputError("There is no painted field to solve for.", "What is painted is what is measured.",
                         "Press Paint Field, paint where body and object should touch, and press Apply.")
    posed = read_back.read_back(context, made, model, measured=False)
    options = solver_options(context.scene.lexis) | {"pins": pins(context.scene.lexis, made)}
    options["body"] = None if model.source == "default" else model.source  # not the one the preferences have now

    def prepare() -> Request:
        asked = {} if goal is None else {f"painted_{name}": values for name, values in goal._asdict().items()}
        return weighed(options), to_arrays(posed) | asked

    return prepare


def pins(settings: bpy.types.PropertyGroup, made: Imported) -> dict[str, Any]:
    """What the artist pinned: the body, the object, and bones by their custom property."""
    joints = [bone.name for bone in made.rig.pose.bones if bone.get(identity.PINNED)]
    return {"body": settings.pin_body, "object": settings.pin_object, "joints": joints}


def weighed(options: dict[str, Any]) -> dict[str, Any]:
    """The options with the scene's factors made weights; to be called on a thread, since it imports the sampler."""
    factors = options.get("weights")
    if factors is None:
        return options
    from lexis_core.runtime.sampler import Weights

    usual = Weights()
    return options | {"weights": {name: factor * getattr(usual, name) for name, factor in factors.items()}}


def solver_options(settings: bpy.types.PropertyGroup) -> dict[str, Any]:
    """Device, steps, seed, body, and factors of the usual weights (see weighed)."""
    options = {"device": runtime.device(settings), "steps": settings.steps, "seed": settings.seed}
    factors = {name: getattr(settings, f"weight_{name}") for name in WEIGHTS}
    if any(factor != 1 for factor in factors.values()):
        options["weights"] = factors
    if body := preferences.body_path():
        options["body"] = body
    return options


def photo_name(settings: bpy.types.PropertyGroup) -> str:
    """What the result is called: the photo's name without its suffix."""
    name = settings.image_path if settings.image_source == "FILE" else getattr(settings.image, "name", "")
    return Path(bpy.path.abspath(name)).stem or "LEXIS"


def photo_pixels(settings: bpy.types.PropertyGroup) -> Any:
    """The photo as it will be seen, (H, W, 3) uint8, upright. It takes as long as reading the file does."""
    from lexis_core.observe.image import read_image

    source = settings.image_path if settings.image_source == "FILE" else settings.image
    picture = _photo(settings.image_source, source)
    return read_image(picture if isinstance(picture, str) else picture()).pixels


def active_mesh(context: bpy.types.Context) -> bpy.types.Object:
    """The scene's object to reconstruct with: the one chosen, else the active one. InputError when that is no mesh."""
    chosen = context.scene.lexis.object_mesh
    if chosen is None or chosen.name not in context.scene.objects:  # deleted: the setting alone still holds it
        chosen = context.view_layer.objects.active
    if chosen is None or chosen.type != "MESH":
        raise InputError("There is no object.", "No mesh is chosen and none is active.",
                         "Choose a mesh in the Object panel, or take one from a file or the library.")
    if identity.part_of(chosen) == identity.BODY:
        raise InputError("The body cannot be the object.", f'"{chosen.name}" is the body of a reconstruction.',
                         "Choose the mesh of the thing the person touches.")
    return chosen


def _photo(source: str, value: str | bpy.types.Image | None) -> str | Callable[[], Any]:
    if source == "FILE":
        path = bpy.path.abspath(value)
        if not path or not Path(path).is_file():
            raise InputError("There is no photo." if not path else f"There is no photo {path}.",
                             "No file is chosen." if not path else "The path does not lead to a file.",
                             "Choose a photo in the Image panel.")
        return path
    if value is None:
        raise InputError("There is no photo.", "No image is chosen.", "Choose an image in the Image panel.")
    return _image(value, colours=True)


def _add_mask(settings: bpy.types.PropertyGroup, who: str, box: str, options: dict[str, Any],
              later: dict[str, Callable[[], Any]]) -> None:
    source = getattr(settings, f"{who}_source")
    if source == "BOX":
        corners = [round(float(n), 3) for n in getattr(settings, f"{who}_box")]
        if corners[2] <= corners[0] or corners[3] <= corners[1]:
            raise InputError(f"There is no box around the {who}.", "Its corners enclose nothing.",
                             "Draw it on the photo, or choose another source in the Image panel.")
        options[box] = corners
    elif source == "FILE":
        path = bpy.path.abspath(getattr(settings, f"{who}_mask_path"))
        if not Path(path).is_file():
            raise InputError(f"There is no {who} mask.", "The path does not lead to a file.",
                             "Choose a mask in the Image panel, or another source.")
        options[f"{who}_mask"] = path
    elif source == "IMAGE":
        image = getattr(settings, f"{who}_mask_image")
        if image is None:
            raise InputError(f"There is no {who} mask.", "No image is chosen.",
                             "Choose a mask in the Image panel, or another source.")
        _add_picture(f"{who}_mask", _image(image, colours=False), options, later)


def _add_picture(name: str, picture: str | Callable[[], Any], options: dict[str, Any],
                 later: dict[str, Callable[[], Any]]) -> None:
    if isinstance(picture, str):
        options[name] = picture
    else:
        later[name] = picture


def _image(image: bpy.types.Image, colours: bool) -> str | Callable[[], Any]:
    """The path of an image as it is on disk, or what makes a file or an array of it, on a thread."""
    if image.source == "FILE" and not image.is_dirty:
        path = bpy.path.abspath(image.filepath, library=image.library)
        if image.packed_file is not None:
            return _unpacked(bytes(image.packed_file.data), Path(path).suffix)
        if Path(path).is_file():
            return path
    if not (image.size[0] and image.size[1]):
        raise InputError(f'The image "{image.name}" cannot be read.', "It has no pixels; its file may be gone.",
                         "Reload it, or choose another one.")
    from .scene import pixels

    taken = pixels.take(image)
    return (lambda: pixels.colours(taken)) if colours else (lambda: pixels.mask(taken))


def _unpacked(data: bytes, suffix: str) -> Callable[[], str]:
    """A packed file keeps what only the file says (EXIF, its focal length and orientation), so it is read as a file."""
    folder = Path(bpy.app.tempdir)

    def write() -> str:
        path = folder / f"lexis-{hashlib.sha256(data).hexdigest()[:16]}{suffix or '.jpg'}"
        path.write_bytes(data)
        return str(path)

    return write


def _add_object(context: bpy.types.Context, options: dict[str, Any], arrays: dict[str, Any]) -> None:
    settings = context.scene.lexis
    if settings.object_kind == "ACTIVE":
        from .scene import surface

        item = active_mesh(context)
        arrays["object_vertices"], arrays["object_faces"] = surface.triangles(context, item)
        options |= {"object_name": item.name, "object_up": "z", "object_units": "m"}
    elif settings.object_kind == "FILE":
        path = bpy.path.abspath(settings.object_path)
        if not Path(path).is_file():
            raise InputError("There is no object.", "The path does not lead to a file.",
                             "Choose a mesh file in the Object panel.")
        options |= {"object": path, "object_up": settings.object_up}
        if settings.object_units != "AUTO":
            options["object_units"] = settings.object_units
    else:
        options["object"] = settings.object_name
        if settings.object_parameters:
            options["object_parameters"] = parameters(settings.object_parameters)
    if settings.object_size > 0:
        options["object_size"] = settings.object_size


def parameters(collection: Iterable[bpy.types.PropertyGroup]) -> dict[str, Any]:
    """The values of the scene's object parameters as the library takes them."""
    yes_and_no = {"yes": True, "no": False}
    found: dict[str, Any] = {}
    for item in collection:
        if item.words:
            found[item.name] = yes_and_no.get(item.word, item.word)
        else:
            found[item.name] = round(item.value) if item.whole else round(item.value, 6)
    return found
