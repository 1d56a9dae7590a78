"""Open3DHOI: one photo a folder, with masks, an annotated SMPL-X body mesh and object mesh.

The meshes leave cam_trans out and are in the camera's axes (OpenCV) otherwise; here it is added. The camera is
weak-perspective: focal lengths of 10 to 18 thousand pixels put the scene about 25 m away.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.mesh import Mesh
from lexis_core.objects.files import read_triangles
from lexis_core.observe import read_image, read_mask

Array = np.ndarray


@dataclass(frozen=True)
class Open3DHOI:
    """One annotated photo.

    image       : (H, W, 3) uint8
    person_mask, object_mask : (H, W) bool
    camera      : as annotated
    body, object: Mesh in camera space, metres; the body has SMPL-X's 10475 vertices
    person_box  : x0, y0, x1, y1 pixels
    """

    image: Array
    person_mask: Array
    object_mask: Array
    camera: Camera
    body: Mesh
    object: Mesh
    person_box: tuple[float, float, float, float]


def read_open3dhoi(folder: str | Path) -> Open3DHOI:
    """Read one folder of the data set. InputError when a file is missing or not as the data set lays it out."""
    folder = Path(folder)
    image = read_image(folder / "image.jpg").pixels
    height, width = image.shape[:2]
    parameters, boxes = _json(folder / "smplx_parameters.json"), _json(folder / "box_annotation.json")
    try:
        move = _numbers(parameters["cam_trans"], 3)
        focal, center = _numbers(parameters["focal"], 2), _numbers(parameters["princpt"], 2)
        box = tuple(_numbers(boxes["human"], 4).tolist())
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{folder} is not an Open3DHOI sample.", f"Its json files lack {error}.",
                         "Give a folder as the data set lays it out (docs/real-photos.md).") from error
    meshes = []
    for name in ("h_mesh.obj", "object_mesh.obj"):
        vertices, faces = read_triangles(folder / name)
        meshes.append(Mesh((vertices + move).astype(np.float32), faces.astype(np.int32)))
    masks = [read_mask(folder / f"{name}_mask.png", width, height, f"the {name} mask") for name in ("person", "object")]
    return Open3DHOI(image, *masks, Camera(width, height, tuple(focal.tolist()), tuple(center.tolist())), *meshes, box)


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} was not read.", f"{error}.",
                         "Give a folder as the data set lays it out (docs/real-photos.md).") from error


def _numbers(value: object, count: int) -> Array:
    """Values may be wrapped in one more list."""
    array = np.asarray(value, np.float64).ravel()
    if array.shape != (count,) or not np.isfinite(array).all():
        raise ValueError(f"{count} finite numbers")
    return array
