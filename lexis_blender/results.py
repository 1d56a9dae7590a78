"""Results of the worker: checked and written to the cache on a thread, imported on the main one."""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from mathutils import Vector

from lexis_core.errors import InputError

from . import compat, snapshot, view

if TYPE_CHECKING:
    from lexis_core.body.model import BodyModel
    from lexis_core.reconstruction import Reconstruction

    from .scene.identity import Imported

LONGEST_NAME = 60
NOTE_WIDTH = 28  # characters


@dataclass(frozen=True)
class Solved:
    """What a job found, ready to be imported.

    found   : the hypotheses, best first
    model   : the body they pose
    paths   : the *.lexis.npz of each hypothesis
    seconds, device : what it took, and what it really ran on
    """

    found: tuple[Reconstruction, ...]
    model: BodyModel
    paths: tuple[str, ...]
    seconds: float
    device: str


def keeper(folder: Path, name: str, body: str | BodyModel | None) -> Callable[[Any], Solved]:
    """What takes a result's event, on a thread, and writes each hypothesis into the folder.

    name : of the files, before the time and the number
    body : the body or its file, None for the default
    """
    stem = f"{re.sub(r'[^-. _a-zA-Z0-9]', '_', name)[:LONGEST_NAME]} {time.strftime('%Y%m%d-%H%M%S')}"

    def keep(event: Any) -> Solved:
        from lexis_core.reconstruction import SUFFIX

        from . import bodies

        found = split(event)
        paths = tuple(str(folder / f"{stem} {number + 1}{SUFFIX}") for number in range(len(found)))
        for result, path in zip(found, paths, strict=True):
            result.save(path)
        said = event.header
        return Solved(tuple(found), bodies.given(body), paths, float(said["seconds"]), str(said["device"]))

    return keep


def split(event: Any) -> list[Reconstruction]:
    """The reconstructions in a result's event, best first. InputError when one is not whole."""
    from lexis_core.reconstruction import from_arrays

    parts: dict[int, dict[str, Any]] = {number: {} for number in range(int(event.header["count"]))}
    for name, array in event.arrays.items():
        number, _, own = name.partition(".")
        parts[int(number)][own] = array
    return [from_arrays(arrays, "The worker's result") for arrays in parts.values()]


def bring_in(solved: Solved, name: str, scene: str) -> Imported:
    """Import the best hypothesis into the scene of that name, as one undo step, selected and looked at.

    Who is at work in another mode than object mode stays there, with what was selected and active.
    When the scene is gone it goes into the open one. Raises LexisError as api.import_reconstruction does.
    """
    from . import api
    from .scene import hypotheses

    try:
        with in_scene(scene), _work_kept() as working:
            made = api.import_reconstruction(solved.found[0], body=solved.model, options=api.ImportOptions(name=name))
            hypotheses.keep(made, solved.found)
            bpy.ops.ed.undo_push(message="LEXIS Reconstruct")
    except InputError as error:
        raise InputError(error.what, error.why, f"{error.remedy} Then import {solved.paths[0]}.") from error
    tell(solved)
    _look_at(made, working)
    return made


@contextmanager
def _work_kept() -> Iterator[bool]:
    """Object mode inside the block. Gives whether another mode was left for it, which then comes back afterwards, and
    what was selected and active with it.
    """
    from .scene import apply_state

    layer, chosen = bpy.context.view_layer, bpy.context.selected_objects
    active = layer.objects.active
    working = active is not None and active.mode != "OBJECT"
    with apply_state.object_mode(bpy.context):
        try:
            yield working
        finally:
            if working:
                for item in bpy.context.selected_objects:
                    item.select_set(False)
                for item in chosen:
                    item.select_set(True)
                layer.objects.active = active


def _look_at(made: Imported, working: bool) -> None:
    """Let the largest 3D View show the fields' colours and frame the body and the object, unless it looks through a
    camera or the artist is working in it.
    """
    place = view.show_in_window()
    if working or place is None or made.rig.name not in bpy.context.view_layer.objects:  # another scene is shown
        return
    looking = place["area"].spaces.active.region_3d
    if looking.view_perspective == "CAMERA":
        return
    corners = [item.matrix_world @ Vector(corner) for item in (made.body, made.object) for corner in item.bound_box]
    low, high = (Vector(pick(along) for along in zip(*corners, strict=True)) for pick in (min, max))
    looking.view_location = (low + high) / 2
    looking.view_distance = view.distance_to_see(place, (high - low).length / 2)


def put_on(solved: Solved, import_id: str, scene: str) -> None:
    """Let an import stand as the result says, as one undo step. InputError when it was deleted meanwhile."""
    from .scene import hypotheses

    with in_scene(scene):
        made = snapshot.parts(import_id)
        if made is None:
            raise InputError("The refined result has no place.", "Its reconstruction was deleted meanwhile.",
                             f"Import {solved.paths[0]}.")
        hypotheses.take(bpy.context, made, solved.model, solved.found[0])
        bpy.ops.ed.undo_push(message="LEXIS Refine")
    tell(solved)


def tell(solved: Solved) -> None:
    """Keep what the last job took and what it assumed."""
    notes = solved.found[0].info.get("notes", ())
    snapshot.last.summary = f"{solved.seconds:.1f} s, {solved.device}"
    snapshot.last.notes = tuple(line for note in notes for line in _lines(str(note)))


def _lines(note: str) -> list[str]:
    """A note in lines that fit into the sidebar, without the words of the command line."""
    plain = re.sub(r" \(--[^)]*\)|: give --.*?(?=\.)", "", note)
    first, *more = textwrap.wrap(plain, NOTE_WIDTH) or [""]
    return [f"- {first}", *(f"  {line}" for line in more)]


@contextmanager
def in_scene(name: str) -> Iterator[None]:
    """The window shows the scene of that name while it lasts; its own where there is none of that name any more."""
    scene = bpy.data.scenes.get(name)
    with compat.with_window():
        window = bpy.context.window
        if window is None or scene is None or window.scene == scene:
            yield
            return
        shown, layer, window.scene = window.scene, window.view_layer, scene
        try:
            yield
        finally:
            window.scene = shown
            window.view_layer = layer
