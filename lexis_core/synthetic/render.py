"""Pictures of interactions for training: a posed and dressed body, its object, a place, light, and a camera's faults.

Everything random follows from the interaction's own seed, so that a picture is made again to the byte whenever it is
needed, and none is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from threadpoolctl import ThreadpoolController

from lexis_core.body import default_body
from lexis_core.body.model import BodyModel, PosedBody, pose
from lexis_core.camera import Camera
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.mesh import Mesh
from lexis_core.objects.model import ObjectModel
from lexis_core.state import State
from lexis_core.synthetic.backdrop import ROOM, Place
from lexis_core.synthetic.clothing import Outfit, dressed, random_outfit
from lexis_core.synthetic.detector import LandmarkSites, detected, landmark_sites, visibility, with_helpers
from lexis_core.synthetic.hanging import hanging_pieces
from lexis_core.synthetic.kernels import bounds, rasterise, seen_through, vertex_normals
from lexis_core.synthetic.lighting import Light, Shadows
from lexis_core.synthetic.materials import part_materials, table
from lexis_core.synthetic.photo import developed
from lexis_core.synthetic.shading import BODY, CLUTTER, DRESSED, SAMPLES, THING, Geometry, paint, paint_background
from lexis_core.synthetic.states import Interactions
from lexis_core.synthetic.surroundings import Floor, random_clutter, random_light, random_place

Array = np.ndarray

SHARP, SOFT = 1, 2  # picture pixels a side that the background is computed on
SHADOW_CELL = 0.02  # metres
CREASE = 0.8  # cosine between a face and its corner's mean normal below which the edge shows


@dataclass(frozen=True)
class Rendered:
    """One training picture and what is known of it. Pixels are the picture's, y down, centres at half integers.

    image           : (S, S, 3) uint8 sRGB
    person_mask     : (S, S) bool, clothes and hair included, only what is seen; object_mask : the same of the object
    landmarks       : (39, 2) float32 pixels, as a detector would give them
    landmarks_world : (39, 3) float32 metres, camera axes, from the middle of the hips, as a detector would give them
    confidence      : (39,) float32 in [0, 1]
    camera          : of this picture; the crop was shifted and scaled at random
    true_landmarks  : (39, 2) float32 pixels, without error; NaN behind the lens
    visible         : (39,) float32, the share of a landmark's surrounding that nothing hides; 0 outside the picture
    normals         : (S, S, 3) float32 unit, camera axes, of what is nearest; 0 where no mesh is
    meshes          : the dressed body and the object, camera space, as they were drawn
    """

    image: Array
    person_mask: Array
    object_mask: Array
    landmarks: Array
    landmarks_world: Array
    confidence: Array
    camera: Camera
    true_landmarks: Array
    visible: Array
    normals: Array
    meshes: tuple[Mesh, Mesh]


def render(interactions: Interactions, i: int) -> Rendered:
    """The picture of interaction i; the same bytes each time: on one thread of BLAS, for more may round otherwise."""
    with _blas().limit(limits=1):
        return _rendered(interactions, i)


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    """Kept, for to look for libraries takes longer than a small picture."""
    return ThreadpoolController().select(user_api="blas")


def _rendered(interactions: Interactions, i: int) -> Rendered:
    up = rotation_from_axis_angle(interactions.camera_rotation[i].astype(np.float64))[:, 1]
    floor = Floor(up, float(up @ interactions.camera_translation[i]))
    rng = np.random.default_rng(int(interactions.seed[i]))
    camera = jittered(interactions.camera(i), rng)
    return photograph(interactions.state(i), interactions.object_model(i), floor, camera, rng)


def jittered(camera: Camera, rng: np.random.Generator) -> Camera:
    """Another crop of the same size: moved and scaled, one in twelve so close that limbs are cut off."""
    size = camera.width
    scale = rng.uniform(0.5, 0.8) if rng.random() < 1 / 12 else np.exp(rng.normal(0.03, 0.07))
    x, y = size / 2 + rng.normal(0, 0.035, 2) * size
    half = scale * size / 2
    return camera.cropped((x - half, y - half, x + half, y + half), size, size)


def photograph(state: State, model: ObjectModel, floor: Floor, camera: Camera, rng: np.random.Generator) -> Rendered:
    """A picture of one state in camera space, over a floor, with random clothes, surfaces, place, light and lens.

    state : the default body and the canonical object of `model`
    """
    body = default_body()
    outfit = random_outfit(body, rng)
    posed = pose(body, state.body)
    person = dressed_body(body, posed, state.body.betas, outfit, rng)
    thing = model.mesh.moved(state.object.rotation, state.object.translation, state.object.scale)
    pieces = [person, object_piece(model, thing, state.object.rotation)]
    low, high = bounds(np.concatenate([person.vertices, thing.vertices]))
    surfaces = part_materials([part for part, _, _ in model.parts] or ["body"], rng)
    for mesh, parts in random_clutter(floor, low, high, rng):
        pieces.append(clutter_piece(mesh, parts, len(surfaces)))
        surfaces += part_materials([part for part, _, _ in parts], rng)
    place, pictures, behind = random_place(floor, (low + high) / 2, len(outfit.materials) + len(surfaces), rng)
    rows = np.concatenate([outfit.materials, table([*surfaces, *behind])])
    geometry = joined(pieces, len(outfit.materials))
    solid, filled = (len(person.vertices), len(thing.vertices)), (len(person.faces), len(thing.faces))
    casting = np.concatenate([shadow_faces(), geometry.faces[len(body.faces):sum(filled)]])
    light, shadows = random_light(geometry.vertices[:sum(solid)], casting, floor, place.kind == ROOM, rng)

    ids, nearness = z_buffer(geometry, camera)
    picture = background(ids, camera, place, pictures, rows, light, shadows, SHARP if rng.random() < 0.4 else SOFT)
    normals, cover = np.zeros_like(picture), np.zeros_like(picture)
    paint(ids, lens_of(camera), geometry, rows, outfit.borders, light, shadows, picture, normals, cover)
    person_mask = cover[..., BODY] >= 0.5
    object_mask = (cover[..., THING] >= 0.5) & ~person_mask

    sites = _sites()
    points = sites.of(posed.vertices, posed.joints)
    true = with_helpers(camera.project(points[:33]))
    visible = visibility(true, points, ids, nearness, geometry)
    seen, world, confidence = detected(true, points, visible, camera, rng)
    return Rendered(developed(picture, rng), person_mask, object_mask, seen, world, confidence, camera,
                    true.astype(np.float32), visible, normals,
                    (Mesh(person.vertices, person.faces), thing))


def z_buffer(geometry: Geometry, camera: Camera) -> tuple[Array, Array]:
    """The face, -1 for none, and the nearness 1 / z at every sample: (SAMPLES H, SAMPLES W) int32 and float32."""
    shape = SAMPLES * camera.height, SAMPLES * camera.width
    seen = seen_through(geometry.vertices, lens_of(camera) * SAMPLES)
    ids, nearness = np.full(shape, -1, np.int32), np.full(shape, -np.inf, np.float32)
    rasterise(seen, geometry.faces, 1.0, nearness, ids)
    return ids, nearness


def background(ids: Array, camera: Camera, place: Place, pictures: Array, rows: Array, light: Light,
               shadows: Shadows, coarse: int) -> Array:
    """The place behind all meshes, linear (H, W, 3) float32; out of focus when it is computed on a coarser grid.

    ids : of the z-buffer; coarse : pixels a side of each cell
    """
    height, width = camera.height // coarse, camera.width // coarse
    small = camera.cropped((0, 0, camera.width, camera.height), width, height)
    picture = np.zeros((height, width, 3), np.float32)
    paint_background(ids, lens_of(small), rows, light, shadows, place, pictures, picture)
    if coarse == SHARP:
        return picture
    return cv2.resize(picture, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)


def lens_of(camera: Camera) -> Array:
    """(4,) fx, fy, cx, cy"""
    return np.array([*camera.focal, *camera.center])


def dressed_body(body: BodyModel, posed: PosedBody, betas: Array, outfit: Outfit, rng: np.random.Generator) -> Geometry:
    """The posed skin moved out to clothes and hair, and what hangs free: skirts and long hair."""
    bare = vertex_normals(posed.vertices, body.faces)
    vertices = dressed(posed.vertices, bare, body.template, outfit.borders, outfit.thickness, rng.uniform(0, 100))
    pieces = [(vertices, body.template, bare, body.faces, DRESSED)]
    for hung in hanging_pieces(body, posed, betas, outfit):
        normals = vertex_normals(hung.vertices, hung.faces)
        pieces.append((hung.vertices, hung.coords, normals, hung.faces, hung.material))
    places = np.cumsum([0, *(len(piece[0]) for piece in pieces)])
    faces = np.concatenate([piece[3] + np.int32(place) for piece, place in zip(pieces, places, strict=False)])
    material = np.concatenate([np.full(len(piece[3]), piece[4], np.int16) for piece in pieces])
    vertices, coords, normals = (np.concatenate([piece[k] for piece in pieces]) for k in range(3))
    return Geometry(vertices, coords, normals, faces, faces, np.full(len(faces), BODY, np.int16), material)


@lru_cache(maxsize=1)
def shadow_faces() -> Array:
    """The default body's faces with the vertices in each cell of a grid made one: enough for a shadow, (F', 3)."""
    body = default_body()
    _, first, cell = np.unique(np.floor(body.template / SHADOW_CELL), axis=0, return_index=True, return_inverse=True)
    faces = first[cell.ravel()[body.faces]]
    return faces[(faces != np.roll(faces, 1, 1)).all(1)].astype(np.int32)


def object_piece(model: ObjectModel, mesh: Mesh, rotation: Array) -> Geometry:
    """The object in camera space: creased normals, texture in its canonical frame, a material a part."""
    normals, normal_faces = _creased(model)
    material = _part_of_face(model.parts, len(mesh.faces))
    return Geometry(mesh.vertices, model.mesh.vertices, normals @ rotation.T.astype(np.float32), mesh.faces,
                    normal_faces, np.full(len(mesh.faces), THING, np.int16), material)


def clutter_piece(mesh: Mesh, parts: tuple[tuple[str, int, int], ...], first: int) -> Geometry:
    """Something that stands about, flatly shaded; first : its first material among the objects' ones."""
    normals = _unit(_face_normals(mesh))
    normal_faces = np.repeat(np.arange(len(mesh.faces), dtype=np.int32)[:, None], 3, 1)
    material = _part_of_face(parts, len(mesh.faces)) + np.int16(first)
    return Geometry(mesh.vertices, mesh.vertices, normals, mesh.faces, normal_faces,
                    np.full(len(mesh.faces), CLUTTER, np.int16), material)


def joined(pieces: list[Geometry], outfit_rows: int) -> Geometry:
    """All pieces as one; materials of what is not the body follow after the outfit's."""
    places = np.cumsum([0, *(len(p.vertices) for p in pieces)])
    slots = np.cumsum([0, *(len(p.normals) for p in pieces)])
    material = [p.material if k == 0 else p.material + np.int16(outfit_rows) for k, p in enumerate(pieces)]
    return Geometry(
        np.concatenate([p.vertices for p in pieces]), np.concatenate([p.coords for p in pieces]),
        np.concatenate([p.normals for p in pieces]),
        np.concatenate([p.faces + np.int32(k) for p, k in zip(pieces, places, strict=False)]),
        np.concatenate([p.normal_faces + np.int32(k) for p, k in zip(pieces, slots, strict=False)]),
        np.concatenate([p.owner for p in pieces]), np.concatenate(material),
    )


def _part_of_face(parts: tuple[tuple[str, int, int], ...], count: int) -> Array:
    material = np.zeros(count, np.int16)
    for k, (_, start, length) in enumerate(parts):
        material[start:start + length] = k
    return material


def _face_normals(mesh: Mesh) -> Array:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def _unit(vectors: Array) -> Array:
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)).astype(np.float32)


_CREASED: dict[int, tuple[ObjectModel, Array, Array]] = {}


def _creased(model: ObjectModel) -> tuple[Array, Array]:
    """Normals (N, 3) of the canonical mesh and which each corner has (F, 3): shared where faces meet smoothly."""
    known = _CREASED.get(id(model))
    if known is None or known[0] is not model:
        flat = _face_normals(model.mesh)
        smooth = vertex_normals(model.mesh.vertices, model.mesh.faces)
        flat = _unit(flat)
        bent = (smooth[model.mesh.faces] * flat[:, None]).sum(-1) < CREASE
        own = len(smooth) + np.arange(len(flat))[:, None]
        if len(_CREASED) > 4096:
            _CREASED.clear()
        known = (model, np.concatenate([smooth, flat]), np.where(bent, own, model.mesh.faces).astype(np.int32))
        _CREASED[id(model)] = known
    return known[1:]


@lru_cache(maxsize=1)
def _sites() -> LandmarkSites:
    return landmark_sites(default_body())
