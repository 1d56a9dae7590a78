"""An object as the solve sees it: metres, y up, front +z, its bounding box centred on the origin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import fast_simplification
import igl
import numpy as np

from lexis_core.mesh import Mesh, sample_surface

Array = np.ndarray

LARGE = 50_000  # faces
CAREFUL = 5     # the first pass moves nothing by more than 3 mm: it collapses edges below 1e-9 * 103^5 mm2
ENOUGH = 1.5    # times the faces asked for: edge collapse may stop there


@dataclass(frozen=True)
class ObjectModel:
    """A canonical object mesh and the way back to the file it came from.

    name                : what to call it
    category            : a name of the object library, "" when unknown
    mesh                : metres, y up, front +z, bounding-box centre at the origin
    file_from_canonical : (4, 4) float32, the similarity that puts the mesh back where and as big as the file has it
    metric              : whether the size is known; False when it was guessed with doubt
    notes               : what was assumed or repaired, a plain sentence each
    parts               : (name, first face, number of faces) of each named part; empty for files
    """

    name: str
    category: str
    mesh: Mesh
    file_from_canonical: Array
    metric: bool
    notes: tuple[str, ...] = ()
    parts: tuple[tuple[str, int, int], ...] = ()

    def part_faces(self, name: str) -> Array:
        """Indices of the faces of every part of that name, (N,) int64; empty when there is none."""
        ranges = [np.arange(first, first + count) for part, first, count in self.parts if part == name]
        return np.concatenate(ranges) if ranges else np.zeros(0, np.int64)


def sized(model: ObjectModel, longest: float) -> ObjectModel:
    """The model scaled until the longest side of its bounding box is so many metres, which then counts as known."""
    factor = longest / float(np.ptp(model.mesh.vertices, axis=0).max())
    mesh = Mesh((model.mesh.vertices * factor).astype(np.float32), model.mesh.faces)
    back = model.file_from_canonical @ np.diag([1 / factor] * 3 + [1.0])
    return replace(model, mesh=mesh, file_from_canonical=back.astype(np.float32), metric=True,
                   notes=(*model.notes, f"Its size was given: {longest:.3g} m along its longest side."))


def decimated(model: ObjectModel, faces: int = 20_000) -> ObjectModel:
    """The model with at most about this many faces, for the solve; the very same model when it has no more.

    Quadric edge collapse (Garland and Heckbert 1997): the cheapest edge first, after a quick and careful first pass
    over large scans. Where the faces do not hang together as a surface, vertices near one another are merged instead.
    The parts of a decimated model are gone, the frame is not.
    """
    vertices, kept = model.mesh.vertices, model.mesh.faces
    if len(kept) <= faces:
        return model
    if len(kept) > LARGE:
        target = max(faces, LARGE)
        vertices, kept = fast_simplification.simplify(1000 * vertices, kept, target_count=target, agg=CAREFUL)
        vertices = vertices / 1000
    if _is_surface(kept):
        vertices, kept, _, _ = igl.qslim(vertices.astype(np.float64), kept.astype(np.int64), faces)
    cells = 2 * np.sqrt(faces)
    while len(kept) > ENOUGH * faces:
        vertices, kept = _clustered(vertices, kept, cells)
        cells *= 0.8
    note = f"{len(model.mesh.faces):,} faces were reduced to {len(kept):,} for the solve."
    mesh = Mesh(vertices.astype(np.float32), kept.astype(np.int32))
    return replace(model, mesh=mesh, notes=(*model.notes, note), parts=())


def _is_surface(faces: Array) -> bool:
    """Whether neighbours agree on what is outside and no edge or vertex joins more than a surface does.

    On other meshes libigl's edge collapse may never end.
    """
    start, end = faces.ravel().astype(np.int64), np.roll(faces, -1, 1).ravel().astype(np.int64)
    edges = start * (faces.max() + 1) + end
    return bool(len(np.unique(edges)) == len(edges) and np.all(igl.is_vertex_manifold(faces.astype(np.int64))))


def _clustered(vertices: Array, faces: Array, cells: float) -> tuple[Array, Array]:
    """The vertices in each cell of a grid of so many along the longest side made one (Rossignac and Borrel 1993)."""
    low, size = vertices.min(0), np.ptp(vertices, axis=0).max()
    place = ((vertices - low) / size * cells).astype(np.int64)
    _, cell, count = np.unique(place @ [1 << 40, 1 << 20, 1], return_inverse=True, return_counts=True)
    middle = np.stack([np.bincount(cell, vertices[:, k]) / count for k in range(3)], -1)
    merged = cell[faces]
    merged = merged[(merged != np.roll(merged, 1, 1)).all(1)]
    _, first = np.unique(np.sort(merged, 1), axis=0, return_index=True)
    return middle, merged[np.sort(first)]


def surface_points(model: ObjectModel, count: int = 1024, seed: int = 0) -> Array:
    """Area-weighted points on the surface, (count, 3) float32 metres, canonical frame; equal for equal seeds."""
    return sample_surface(model.mesh, count, seed)[0]
