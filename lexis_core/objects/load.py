"""Object meshes from files: read, flattened, cleaned and put into the canonical frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lexis_core.errors import InputError
from lexis_core.mesh import Mesh
from lexis_core.objects.library import CATEGORIES, canonical_name, make
from lexis_core.objects.model import ObjectModel

Array = np.ndarray

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}  # metres
UNIT_NAMES = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "in": "inches", "ft": "feet"}
PLAUSIBLE = (0.05, 5.0)     # metres: the diagonal of a thing of no known kind that a person handles
POSSIBLE = (1e-3, 1e3)      # metres: beyond these a stated unit must be a slip
VAST = 1e9                  # in any unit: sizes and places beyond are damage, and float32 could not hold them
KIN = 2.5                   # a thing is at most so many times larger or smaller than its kind's default
SURE = 1.6                  # within this, no other common unit fits as well: inches and centimetres are 2.54 apart
AXES = {"y": np.eye(3), "z": np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])}  # file -> y up
SYNONYMS = {"couch": "sofa", "bike": "bicycle", "motorbike": "motorcycle", "mug": "cup", "football": "ball",
            "basketball": "ball",
            "rucksack": "backpack", "handbag": "bag", "smartphone": "phone", "notebook": "laptop",
            "stepladder": "ladder",
            "racket": "tennis_racket", "bat": "baseball_bat", "trashbin": "trash_bin", "yogaball": "yoga_ball",
            "yogamat": "yoga_mat", "cart": "shopping_cart", "scooter": "kick_scooter"}


def load_object(path_or_name: str | Path, units: str | None = None, up: str = "y",
                category: str | None = None) -> ObjectModel:
    """The canonical object of a mesh file, or of the library when a category is named.

    units    : m, cm, mm, in or ft; guessed from the size, and said in the notes, when not given
    up       : the axis of the file that points up, y or z
    category : a name of the library; guessed from the file's name when not given

    InputError when the file is missing, too large, unreadable, without faces, flat as a point or not finite, and for
    unknown options.
    """
    if isinstance(path_or_name, str) and canonical_name(path_or_name) in CATEGORIES:
        return make(path_or_name)
    from lexis_core.objects.files import EXTENSIONS, read_triangles  # trimesh, a quarter second that only files need
    path = Path(path_or_name)
    if path.suffix.lower().lstrip(".") not in EXTENSIONS and not path.exists():
        return make(str(path_or_name))
    _check_option(path, "units", units, (None, *UNITS))
    _check_option(path, "up", up, tuple(AXES))
    vertices, faces = read_triangles(path)
    return _canonical(path, path.stem, vertices, faces, units, up, category)


def object_of(mesh: Mesh, name: str, units: str | None = None, up: str = "y",
              category: str | None = None) -> ObjectModel:
    """The canonical object of a mesh in memory, as load_object() makes it of a file of that name."""
    path = Path(name)
    _check_option(path, "units", units, (None, *UNITS))
    _check_option(path, "up", up, tuple(AXES))
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3 or not len(faces):
        raise InputError(f"{name} cannot be used.", "It has no triangles.", "Give a mesh with faces.")
    return _canonical(path, name, vertices, faces, units, up, category)


def _canonical(path: Path, name: str, vertices: Array, faces: Array, units: str | None, up: str,
               category: str | None) -> ObjectModel:
    """vertices (V, 3) float64 in the file's frame and unit."""
    known = _kind(name) if category is None else canonical_name(category)
    _check_option(path, "category", known, ("", *CATEGORIES))
    notes = [f"Taken for a {known.replace('_', ' ')} by its file name."] if known and category is None else []
    if path.suffix.lower() == ".stl" and up == "y":
        notes.append("STL files do not say which way is up; y was taken. Choose z if it lies on its back.")
    vertices, faces, repairs = cleaned(path, vertices, faces)
    turned = vertices @ AXES[up].T
    low, high = turned.min(0), turned.max(0)
    diagonal, centre = float(np.linalg.norm(high - low)), (low + high) / 2
    if not (1 / VAST <= diagonal <= VAST and np.abs(centre).max() <= VAST):
        raise InputError(f"{path.name} cannot be used.", "All its points are at one place, or impossibly far away.",
                         "Export the mesh again and check its scale.")
    scale, metric, note = _metres_per_unit(path, diagonal, known, units)
    mesh = Mesh(((turned - centre) * scale).astype(np.float32), faces)
    mesh, merged = welded(mesh)
    if not len(mesh.faces):
        raise InputError(f"{path.name} cannot be used.", "None of its faces has any extent.", "Export the mesh again.")
    back = np.eye(4)
    back[:3, :3], back[:3, 3] = AXES[up].T / scale, AXES[up].T @ centre
    return ObjectModel(name, known, mesh, back.astype(np.float32), metric, (*notes, note, *repairs, *merged))


def load_mesh(path: str | Path, units: str | None = None) -> Mesh:
    """A mesh file as it stands, neither moved nor welded: its vertices in the file's order, in metres.

    Its numbers are taken as metres unless a unit is given; only vertices that no face uses are left out. glTF and
    STL store a vertex several times where faces meet at a seam, and so it comes out. InputError as load_object().
    """
    from lexis_core.objects.files import read_triangles
    path = Path(path)
    _check_option(path, "units", units, (None, *UNITS))
    vertices, faces, _ = cleaned(path, *read_triangles(path))
    return Mesh((vertices * UNITS[units or "m"]).astype(np.float32), faces)


def cleaned(path: Path, vertices: Array, faces: Array) -> tuple[Array, Array, list[str]]:
    """Only the vertices that faces use; (V, 3) float64 and (F, 3) int32, with a note when others were there.

    InputError for an index out of range or a coordinate that is not finite.
    """
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"{path.name} cannot be used.", "Some of its faces name vertices that are not there.",
                         "Export the mesh again.")
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    if not np.isfinite(vertices[used]).all():
        raise InputError(f"{path.name} cannot be used.", "Some of its coordinates are not numbers (NaN or infinite).",
                         "Clean the mesh in the program it comes from and export it again.")
    stray = int(len(used) - used.sum())
    number = np.cumsum(used) - 1
    notes = [f"{stray:,} vertices that no face uses were left out."] if stray else []
    return vertices[used], number[faces].astype(np.int32), notes


def welded(mesh: Mesh) -> tuple[Mesh, list[str]]:
    """Vertices at the very same place made one, faces with two equal corners left out. The surface stays the same."""
    same_zeros = mesh.vertices + np.float32(0)  # -0 and 0 have the same bits now
    x, y, z = same_zeros.view(np.uint32).astype(np.uint64).T
    order = np.lexsort((z, (x << np.uint64(32)) | y))
    new = np.ones(len(order), bool)
    new[1:] = (mesh.vertices[order[1:]] != mesh.vertices[order[:-1]]).any(1)
    first = np.minimum.reduceat(order, np.nonzero(new)[0])  # each place's first vertex: the file's order remains
    rank = np.argsort(np.argsort(first))
    target = np.empty(len(order), np.int64)
    target[order] = rank[np.cumsum(new) - 1]
    faces = target[mesh.faces].astype(np.int32)
    kept = (faces != np.roll(faces, 1, 1)).all(1)
    notes = []
    if len(first) < len(order):
        notes.append(f"{len(order) - len(first):,} vertices at the place of another were merged with it.")
    if not kept.all():
        notes.append(f"{int((~kept).sum()):,} faces without extent were left out.")
    return Mesh(mesh.vertices[np.sort(first)], faces[kept]), notes


def _metres_per_unit(path: Path, diagonal: float, category: str, units: str | None) -> tuple[float, bool, str]:
    """Metres in one unit of the file, whether that is sure, and the sentence that says so."""
    if units is not None:
        if not POSSIBLE[0] <= diagonal * UNITS[units] <= POSSIBLE[1]:
            raise InputError(f"{path.name} cannot be used.",
                             f"In {UNIT_NAMES[units]} it would be {diagonal * UNITS[units]:.3g} m across.",
                             "Choose another unit, or leave it out to have it guessed.")
        return UNITS[units], True, f"Its unit was given as {UNIT_NAMES[units]}: {diagonal * UNITS[units]:.3g} m across."
    usual = float(np.linalg.norm(np.ptp(make(category).mesh.vertices, axis=0))) if category else 0.0
    low, high = (usual / KIN, usual * KIN) if category else PLAUSIBLE
    if path.suffix.lower() in (".glb", ".gltf") and low / 2 <= diagonal <= high * 2:
        return 1.0, True, f"glTF is in metres: {diagonal:.3g} m across."
    fitting = [unit for unit, size in UNITS.items() if low <= diagonal * size <= high]
    if not fitting:
        scale = (usual or 1.0) / diagonal
        note = f"No common unit makes its size plausible, so it was scaled to {usual or 1.0:.3g} m across."
        return scale, False, f"{note} Give its units if you know them."
    unit = min(fitting, key=lambda u: abs(np.log(diagonal * UNITS[u] / usual))) if category else fitting[0]
    across = diagonal * UNITS[unit]
    sure = bool(category) and 1 / SURE <= across / usual <= SURE
    return UNITS[unit], sure, f"Its unit was guessed from its size as {UNIT_NAMES[unit]}: {across:.3g} m across."


def _kind(stem: str) -> str:
    """The library category a file name speaks of, or ""."""
    words = f"_{canonical_name(''.join(c if c.isalpha() else ' ' for c in stem))}_"
    names = {name: name for name in CATEGORIES} | SYNONYMS
    found = [name for name in names if f"_{name}_" in words]
    return names[max(found, key=len)] if found else ""


def _check_option(path: Path, option: str, value: str | None, allowed: tuple) -> None:
    if value not in allowed:
        raise InputError(f"{path.name} was not loaded.", f'{option} = "{value}" is not known.',
                         f"Use one of: {', '.join(a for a in allowed if a)}.")
