"""The files a reconstruction leaves for a person: the result, pictures, and the Blender scene where bpy is at hand."""

from __future__ import annotations

import importlib.util
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from lexis_core.body import load_body, pose
from lexis_core.draw import BODY_COLOUR, OBJECT_COLOUR, orbit, overlay, ramp
from lexis_core.errors import RuntimeUnavailable
from lexis_core.files import written_whole
from lexis_core.initialise.crop import reduced
from lexis_core.interfield import distance, field_of, summary
from lexis_core.mesh import Mesh
from lexis_core.objects.model import decimated
from lexis_core.reconstruction import SUFFIX, Reconstruction

ORBIT_FRAMES, ORBIT_SIZE, ORBIT_SECONDS = 36, 480, 4.0
OVERLAY_SIDE = 1280   # pixels; drawing at a phone's twelve million takes a minute and 4 GB
DRAWN_FACES = 50_000  # of the object: more than a picture of this size can show


def write_results(result: Reconstruction, body: Path | None, out: Path) -> None:
    """result.lexis.npz, overlay.png, orbit.gif, and scene.blend and scene.glb where bpy is installed."""
    model = load_body(body)
    posed = Mesh(pose(model, result.state.body).vertices, model.faces)
    meshes, fields = drawn(posed, result)
    with _said("result"):
        result.save(out / f"result{SUFFIX}")
    with _said("overlay"):
        seen = reduced(result.observation(), OVERLAY_SIDE)
        save_picture(overlay(seen.image, meshes, (BODY_COLOUR, OBJECT_COLOUR), seen.camera), out / "overlay.png")
    with _said("orbit"):
        save_turn(orbit(meshes, [ramp(field) for field in fields], ORBIT_FRAMES, ORBIT_SIZE), out / "orbit.gif")
    written = [f"result{SUFFIX}", "overlay.png", "orbit.gif"]
    if has_blender():
        with _said("blender"):
            made = blender().save_blend(result, out / "scene.blend", body=model)
            blender().export_glb(made, out / "scene.glb")
        written += ["scene.blend", "scene.glb"]
    else:
        print('scene.blend was not written: bpy is missing. Run python -m pip install "lexis-blender[blender]".')
    said = summary(result.field, posed, result.object_mesh())
    print(f"device: {result.info['device']}")
    for note in result.info["notes"]:
        print(f"note: {note}")
    print(f"contact area {said.body_contact_area * 1e4:.0f} cm2, nearest {said.minimum_distance * 100:.1f} cm, "
          f"{said.penetration_area_share:.1%} of the body inside the object, at most {said.maximum_depth * 100:.1f} cm")
    print(f"{out}: {', '.join(written)}")


def drawn(posed: Mesh, result: Reconstruction) -> tuple[tuple[Mesh, Mesh], tuple[np.ndarray, np.ndarray]]:
    """The two surfaces the pictures show, and their fields: a scan of millions of faces is drawn with fewer."""
    small = decimated(result.object, DRAWN_FACES)
    if small is result.object:
        return (posed, result.object_mesh()), (result.field.body, result.field.object)
    shown = replace(result, object=small).object_mesh()
    return (posed, shown), (result.field.body, field_of(distance(shown.vertices, posed), result.field.sigma))


def save_picture(picture: np.ndarray, path: Path) -> None:
    """(H, W, 3) uint8 -> a PNG file."""
    with written_whole(path) as temporary:
        Image.fromarray(picture).save(temporary)


def save_turn(frames: list[np.ndarray], path: Path) -> None:
    """Frames (H, W, 3) uint8 -> an endless GIF."""
    pictures = [Image.fromarray(frame).quantize(128, dither=Image.Dither.NONE) for frame in frames]
    with written_whole(path) as temporary:
        pictures[0].save(temporary, save_all=True, append_images=pictures[1:], loop=0,
                         duration=int(1000 * ORBIT_SECONDS / len(frames)))


def has_blender() -> bool:
    return importlib.util.find_spec("bpy") is not None


def blender() -> ModuleType:
    """lexis_blender.api, the door to Blender. RuntimeUnavailable where bpy is not installed."""
    if not has_blender():
        raise RuntimeUnavailable("The Blender scene was not made.", "The bpy package is not installed.",
                                 'Run python -m pip install "lexis-blender[blender]", or import the result in Blender.')
    from lexis_blender import api
    return api


class Stages:
    """A progress callback that prints every stage with its seconds when it is over."""

    def __init__(self) -> None:
        self._stage, self._start = "", 0.0

    def __call__(self, stage: str, fraction: float) -> None:
        if stage != self._stage:
            self._end()
            self._stage, self._start = stage, time.perf_counter()
        if fraction >= 1:
            self._end()

    def _end(self) -> None:
        if self._stage:
            say_stage(self._stage, time.perf_counter() - self._start)
        self._stage = ""


def say_stage(stage: str, seconds: float) -> None:
    print(f"{stage:<12}{seconds:7.2f} s", flush=True)


@contextmanager
def _said(stage: str):
    start = time.perf_counter()
    yield
    say_stage(stage, time.perf_counter() - start)
