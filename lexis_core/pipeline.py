"""From a photo and an object to a Reconstruction: the stages in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from lexis_core import __version__
from lexis_core.body import BodyModel, load_body, pose
from lexis_core.body.surface import guide_surface
from lexis_core.errors import InputError
from lexis_core.initialise import body_from_landmarks, object_by_category, object_from_mask, read_estimate
from lexis_core.initialise.crop import reduced
from lexis_core.initialise.estimates import Estimate
from lexis_core.interfield import SIGMA, measure
from lexis_core.mesh import Mesh
from lexis_core.objects.library import CATEGORIES
from lexis_core.objects.load import load_object
from lexis_core.objects.model import ObjectModel
from lexis_core.observe import Networks, Observation, observe
from lexis_core.progress import Clock, Progress
from lexis_core.reconstruction import Reconstruction, encode_photo
from lexis_core.refinement import Painted, Pins, check_in_view, refine, surfaces, weights_of
from lexis_core.runtime.crop import crop_of, cropped, start_of, state_of
from lexis_core.runtime.sampler import STEPS, Free, Sampler, Weights
from lexis_core.runtime.session import Sessions
from lexis_core.state import State

__all__ = ["METHODS", "Painted", "Pins", "Weights", "reconstruct", "reconstructions", "refine"]

Array = np.ndarray

SOLVED_SIDE = 1024  # pixels; the solvers look at crops of a hundred
METHODS = ("auto", "learned", "noise", "estimate")
STAGES = {"load": 0.1, "observe": 0.6, "body": 0.4, "object": 2.0, "flow": 0.6, "interfield": 0.2}  # about, seconds


def reconstruct(image: str | Path | Array, object: str | Path | ObjectModel, **options) -> Reconstruction:
    """The best of reconstructions(), whose options it takes."""
    return reconstructions(image, object, **options)[0]


def reconstructions(
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
    steps: int = STEPS,
    weights: Weights | Mapping[str, float] | None = None,
    hypotheses: int = 1,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    sessions: Sessions | None = None,
) -> tuple[Reconstruction, ...]:
    """Pose a body and an object as the photo shows them: every hypothesis, the best by LEXIS-Flow's own measure first.

    image       : a file, or (H, W, 3) uint8
    object      : a mesh file, a name of the object library, or a loaded ObjectModel
    person_mask, object_mask : files or (H, W) bool; without an object mask or box the object is placed by category
    box, object_box : x0, y0, x1, y1 in pixels
    focal       : pixels; else from the photo's EXIF, else camera.DEFAULT_FIELD_OF_VIEW
    body        : an SMPL-X file or a loaded model; None is the open default
    init        : another tool's estimate (initialise/estimates.py) instead of our own
    method      : "learned", LEXIS-Flow* from the estimate; "noise", LEXIS-Flow without one; "estimate", it alone;
                  "auto" is "learned"
    steps, weights : of the sampler (runtime/sampler.py)
    hypotheses  : how many it tries; of an estimate alone there is one
    progress    : called with the stage and the fraction of the whole, in the calling thread
    cancelled   : asked often; Cancelled is raised soon after it says yes
    sessions    : opened networks to use again; their device is then taken

    Raises LexisError with what happened, why, and what to do.
    """
    if method not in METHODS:
        raise InputError(f"There is no method {method!r}.", f"It is one of {', '.join(METHODS)}.", "Choose one.")
    method = "learned" if method == "auto" else method
    if method == "noise" and init is not None:
        raise InputError("The estimate was not used.", "The method noise begins without one.",
                         "Leave the estimate out, or choose the method learned.")
    weights, sessions = weights_of(weights), sessions or Sessions(device=device)
    left_out = {"noise": ("body", "object"), "estimate": ("flow",)}.get(method, ())
    clock = Clock({stage: share for stage, share in STAGES.items() if stage not in left_out}, progress, cancelled)
    with clock("load"):
        model = body if isinstance(body, BodyModel) else load_body(body)
        thing = object if isinstance(object, ObjectModel) else load_object(object)
        given = None if init is None else read_estimate(init, thing)
        networks = Networks(_Watched(sessions["detector"], clock), _Watched(sessions["landmarks"], clock))
    notes = list(thing.notes)
    if given is not None and given.focal is not None:
        notes += ["The focal length given was left out: the estimate has its own."] if focal else []
        focal = given.focal[0]
    with clock("observe"):
        seen = observe(image, person_mask, object_mask, box, object_box, focal, networks)
    notes += seen.notes
    if given is not None:
        seen = replace(seen, camera=given.camera(seen.camera))
    start = None if method == "noise" else _estimate(model, thing, seen, given, seed, clock, notes)
    found, ran = (_Found(start, {}),), sessions["landmarks"].device
    if method != "estimate":
        with clock("flow"):
            sampler = Sampler(sessions)
            found = _flowed(sampler, model, thing, seen, start, clock, steps=steps, weights=weights,
                            hypotheses=hypotheses, seed=seed)
            ran = sampler.device
            notes += sampler.notes
    with clock("interfield"):
        fields = [measure(*surfaces(model, thing, one.state), SIGMA) for one in found]
    mask = seen.object_mask if seen.object_mask is not None else np.zeros_like(seen.person_mask)
    photo = encode_photo(seen.image)
    info = {"version": __version__, "seconds": clock.seconds, "device": ran, "seed": seed, "method": method,
            "notes": notes, "start": "none" if start is None else "own estimate" if init is None else str(init)}
    return tuple(
        Reconstruction(one.state, seen.camera, thing, field, model.name, model.digest, photo, seen.person_mask, mask,
                       seen.landmarks, seen.landmarks_world, seen.confidence, {**info, **one.info}, one.body,
                       one.object)
        for one, field in zip(found, fields, strict=True))


class _Found(NamedTuple):
    """A state, what the info says of it, and the InterField that was predicted for it."""

    state: State
    info: dict[str, Any]
    body: Array | None = None
    object: Array | None = None


def _estimate(model: BodyModel, thing: ObjectModel, seen: Observation, given: Estimate | None, seed: int, clock: Clock,
              notes: list[str]) -> State:
    """The body by its landmarks and the object by its mask, or what the given estimate has of them."""
    placed = None
    with clock("body"), threadpool_limits(1, "blas"):
        if given is None:
            state = body_from_landmarks(model, reduced(seen, SOLVED_SIDE), clock.check)
        else:
            state, placed = given.body_of(model), given.object
            if not np.array_equal(state.betas, given.body.betas):
                notes.append("The estimate's betas and expression are SMPL-X's and were left out: "
                             "the default body has its own.")
        posed = pose(model, state)
        surface = Mesh(posed.vertices, model.faces)
        check_in_view("body", surface)
    with clock("object"), threadpool_limits(1, "blas"):
        place = CATEGORIES[thing.category].place if thing.category in CATEGORIES else ""
        if placed is None and seen.object_mask is not None:
            found = object_from_mask(thing, place, surface, reduced(seen, SOLVED_SIDE), seed, clock.part)
            placed = found.state
            notes.append(f"The object's outline covers {found.iou:.0%} of its mask's (IoU where the photo can tell).")
        elif placed is None:
            placed = object_by_category(thing, place, posed)
            notes.append(_guessed(thing, place))
    return State(state, placed)


def _guessed(thing: ObjectModel, place: str) -> str:
    kind = thing.category.replace("_", " ")
    usual = f"where a {kind} usually is" if place else "on the floor before the body"
    return f"The object's place is a guess, {usual}: give --object-mask or --object-box."


def _flowed(sampler: Sampler, model: BodyModel, thing: ObjectModel, seen: Observation, start: State | None,
            clock: Clock, *, seed: int, steps: int, **options) -> tuple[_Found, ...]:
    """What LEXIS-Flow makes of the photo, the best first."""
    crop = crop_of(seen)
    scale = 1.0 if start is None else start.object.scale
    told = cropped(seen, crop, thing, scale, seed)
    begin = None if start is None else start_of(model, start, crop)
    free = Free.all()._replace(betas=float(model.source == "default"))  # other bodies' betas are not the network's
    found = sampler.sample(told, guide_surface(model), begin, seed=seed, steps=steps, free=free,
                           progress=clock.part, cancelled=clock.cancelled, **options)
    body, object = model.template - model.joint_template[0], scale * thing.mesh.vertices
    return tuple(_Found(state_of(model, found.every.take([k]), start, crop),
                        {"steps": steps, "energy": round(float(energy), 6)},
                        *sampler.predicted(found, k, body, object, clock.cancelled))
                 for k, energy in enumerate(found.energy[0]))


class _Watched:
    """A session that looks before every run whether to go on."""

    def __init__(self, session, clock: Clock):
        self.session, self.clock, self.device = session, clock, session.device

    def run(self, *arguments):
        self.clock.check()
        return self.session.run(*arguments)

    def each(self, work, items):
        return self.session.each(work, items)
