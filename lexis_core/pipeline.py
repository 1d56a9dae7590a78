"""From a photo and an object to a Reconstruction: the stages in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from lexis_core import __version__
from lexis_core.body import BodyModel, load_body, pose
from lexis_core.errors import InputError, RuntimeUnavailable
from lexis_core.initialise import body_from_landmarks, object_by_category, object_from_mask, read_estimate
from lexis_core.initialise.crop import reduced
from lexis_core.interfield import SIGMA, measure
from lexis_core.mesh import Mesh
from lexis_core.objects.library import CATEGORIES
from lexis_core.objects.load import load_object
from lexis_core.objects.model import ObjectModel
from lexis_core.observe import observe, open_networks
from lexis_core.reconstruction import Reconstruction, encode_photo
from lexis_core.state import State

Array = np.ndarray
FARTHEST = 1000.0  # metres; a focal length of 18,000 pixels puts people 30 m away
SOLVED_SIDE = 1024  # pixels; the solvers look at crops of a hundred
METHODS = ("auto", "learned", "estimate")
Progress = Callable[[str, float], None]


def reconstruct(
    image: str | Path | Array,
    object: str | Path | ObjectModel,
    *,
    person_mask: str | Path | Array | None = None,
    object_mask: str | Path | Array | None = None,
    box: tuple[float, float, float, float] | None = None,
    object_box: tuple[float, float, float, float] | None = None,
    focal: float | None = None,
    body: str | Path | BodyModel | None = None,
    init: str | Path | None = None,
    method: str = "auto",
    hypotheses: int = 1,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Reconstruction:
    """Pose a body and an object as the photo shows them.

    image       : a file, or (H, W, 3) uint8
    object      : a mesh file, a name of the object library, or a loaded ObjectModel
    person_mask, object_mask : files or (H, W) bool; without an object mask or box the object is placed by category
    box, object_box : x0, y0, x1, y1 in pixels
    focal       : pixels; else from the photo's EXIF, else camera.DEFAULT_FIELD_OF_VIEW
    body        : an SMPL-X file or a loaded model; None is the open default
    init        : another tool's estimate (initialise/estimates.py) instead of our own
    method      : "estimate" alone; "learned", LEXIS-Flow* from it; "auto", the latter where torch is installed
    hypotheses  : how many LEXIS-Flow* tries; the one it finds best by its own measure is taken
    progress    : called after every stage with its name and seconds

    Raises LexisError with what happened, why, and what to do.
    """
    clock = _Clock(progress)
    with clock("load"):
        model = body if isinstance(body, BodyModel) else load_body(body)
        thing = object if isinstance(object, ObjectModel) else load_object(object)
        estimate = None if init is None else read_estimate(init, thing)
        networks = open_networks(device)
        flow, note = _flow(method, model)
    notes = [*thing.notes, *note]
    if estimate is not None and estimate.focal is not None:
        notes += ["The focal length given was left out: the estimate has its own."] if focal else []
        focal = estimate.focal[0]
    with clock("observe"):
        seen = observe(image, person_mask, object_mask, box, object_box, focal, networks)
    notes += seen.notes
    placed = None
    with clock("body"), threadpool_limits(1, "blas"):
        if estimate is None:
            body_state = body_from_landmarks(model, reduced(seen, SOLVED_SIDE))
        else:
            body_state, placed = estimate.body_of(model), estimate.object
            if not np.array_equal(body_state.betas, estimate.body.betas):
                notes.append("The estimate's betas and expression are SMPL-X's and were left out: "
                             "the default body has its own.")
            seen = replace(seen, camera=estimate.camera(seen.camera))
        posed = pose(model, body_state)
        surface = Mesh(posed.vertices, model.faces)
        _check_in_view("body", surface)
    with clock("object"), threadpool_limits(1, "blas"):
        place = CATEGORIES[thing.category].place if thing.category in CATEGORIES else ""
        if placed is None and seen.object_mask is not None:
            found = object_from_mask(thing, place, surface, reduced(seen, SOLVED_SIDE), seed)
            placed = found.state
            notes.append(f"The object's outline covers {found.iou:.0%} of its mask's (IoU where the photo can tell).")
        elif placed is None:
            placed = object_by_category(thing, place, posed)
            kind = thing.category.replace("_", " ")
            usual = f"where a {kind} usually is" if place else "on the floor before the body"
            notes.append(f"The object's place is a guess, {usual}: give --object-mask or --object-box.")
    if flow is not None:
        from lexis_core.learn.learned import refined
        with clock("flow"):
            state, _ = refined(flow, model, thing, seen, State(body_state, placed), hypotheses=hypotheses, seed=seed,
                               own_betas=model.source == "default")
            body_state, placed = state.body, state.object
            surface = Mesh(pose(model, body_state).vertices, model.faces)
            _check_in_view("body", surface)
    with clock("interfield"):
        stood = thing.mesh.moved(placed.rotation, placed.translation, placed.scale)
        _check_in_view("object", stood)
        field = measure(surface, stood, SIGMA)
    mask = seen.object_mask if seen.object_mask is not None else np.zeros_like(seen.person_mask)
    info = {"version": __version__, "seconds": clock.seconds, "device": networks.landmarks.device, "seed": seed,
            "method": "estimate" if flow is None else "learned", "notes": notes,
            "start": "own estimate" if init is None else str(init)}
    return Reconstruction(State(body_state, placed), seen.camera, thing, field, model.name, model.digest,
                          encode_photo(seen.image), seen.person_mask, mask,
                          seen.landmarks, seen.landmarks_world, seen.confidence, info)


def _flow(method: str, model: BodyModel):
    """LEXIS-Flow for a body, or None; and notes, where it would be of use but is not to be had."""
    if method not in METHODS:
        raise InputError(f"There is no method {method!r}.", f"It is one of {', '.join(METHODS)}.", "Choose one.")
    if method == "estimate":
        return None, ()
    if find_spec("torch") is None:
        if method == "learned":
            raise RuntimeUnavailable("LEXIS-Flow cannot run.", "torch is not installed.",
                                     'Install the extra "learn" (pip install ".[learn]"), or use the estimate alone.')
        return None, ("This is the estimate alone: LEXIS-Flow needs torch, which is not installed.",)
    from lexis_core.learn.sampler import default_flow
    return default_flow(model), ()


def _check_in_view(name: str, surface: Mesh) -> None:
    """InputError unless the surface is before the camera, most of it, and all of it within FARTHEST."""
    depth = surface.vertices[:, 2]
    if not (np.median(depth) > 0 and np.abs(surface.vertices).max() < FARTHEST):  # NaN is neither
        raise InputError(f"The {name} would not stand before the camera.",
                         f"It would be {np.median(depth):.3g} m from it along the view.",
                         "Check the focal length (--focal, pixels) and the estimate's translations (--init, metres).")


class _Clock:
    """Names the stages and keeps their seconds."""

    def __init__(self, progress: Progress | None):
        self.progress, self.seconds = progress, {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)
        if self.progress is not None:
            self.progress(stage, self.seconds[stage])
