"""An object as the solve sees it: metres, y up, front +z, its bounding box centred on the origin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import fast_simplification
import numpy as np

from lexis_core.mesh import Mesh, sample_surface

Array = np.ndarray


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


def decimated(model: ObjectModel, faces: int = 20_000) -> ObjectModel:
    """The model with at most about this many faces, for the solve; the very same model when it has no more.

    Quadric edge collapse (Garland and Heckbert 1997). The parts of a decimated model are gone, the frame is not.
    """
    if len(model.mesh.faces) <= faces:
        return model
    vertices, kept = fast_simplification.simplify(model.mesh.vertices, model.mesh.faces, target_count=faces)
    note = f"{len(model.mesh.faces):,} faces were reduced to {len(kept):,} for the solve."
    mesh = Mesh(vertices.astype(np.float32), kept.astype(np.int32))
    return replace(model, mesh=mesh, notes=(*model.notes, note), parts=())


def surface_points(model: ObjectModel, count: int = 1024, seed: int = 0) -> Array:
    """Area-weighted points on the surface, (count, 3) float32 metres, canonical frame; equal for equal seeds."""
    return sample_surface(model.mesh, count, seed)[0]
