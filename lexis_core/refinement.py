"""Go on from a result: by the photo again, or towards an InterField that an artist painted, with parts pinned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from lexis_core.body import BodyModel, load_body, pose
from lexis_core.body.model import joint_rotations
from lexis_core.body.names import JOINTS, POSED
from lexis_core.body.surface import guide_surface
from lexis_core.errors import InputError
from lexis_core.interfield import measure
from lexis_core.mesh import Mesh
from lexis_core.objects.model import ObjectModel
from lexis_core.painting import Painted, painted_task
from lexis_core.progress import Clock, Progress
from lexis_core.reconstruction import Reconstruction
from lexis_core.runtime.crop import crop_of, cropped, start_of, state_of
from lexis_core.runtime.sampler import PAINT_STEPS, STEPS, Free, Sampler, Weights
from lexis_core.runtime.session import Sessions
from lexis_core.state import State

Array = np.ndarray

FARTHEST = 1000.0  # metres; a focal length of 18,000 pixels puts people 30 m away
STAGES = {"load": 0.2, "flow": 0.6, "interfield": 0.2}  # about, seconds


@dataclass(frozen=True)
class Pins:
    """What stays as it is: the whole body, the object, or joints by their names in body.names.JOINTS."""

    body: bool = False
    object: bool = False
    joints: tuple[str, ...] = ()

    def free(self) -> Free:
        """As the sampler takes it. InputError when there is no such joint."""
        if unknown := sorted(set(self.joints) - set(JOINTS)):
            raise InputError("The joints cannot be pinned.", f"The body has no joint {', '.join(unknown)}.",
                             "Use the names of SMPL-X's skeleton.")
        held = {JOINTS.index(name) for name in self.joints}
        joints = np.array([not (self.body or joint in held) for joint in range(1, POSED)], np.float32)
        return Free(joints, float(not (self.body or 0 in held)), float(not self.body), float(not self.object))


def refine(result: Reconstruction, *, body: str | Path | BodyModel | None = None, pins: Pins | None = None,
           painted: Painted | None = None, steps: int = STEPS, weights: Weights | Mapping[str, float] | None = None,
           seed: int = 0, device: str = "auto", progress: Progress | None = None,
           cancelled: Callable[[], bool] | None = None, sessions: Sessions | None = None) -> Reconstruction:
    """A result that goes on from the state of another: the posed body and the placed object are the start.

    body    : the model the result was solved with; None is the open default
    painted : LEXIS-Flow* looks at the photo again; with a painted field guidance alone moves body and object towards it
    steps   : of the sampler; towards a painted field there are 60 gradient steps for every 25
    The other options are those of pipeline.reconstructions. Raises LexisError.
    """
    weights, free = weights_of(weights), (pins or Pins()).free()
    clock = Clock(STAGES, progress, cancelled)
    with clock("load"):
        model = body if isinstance(body, BodyModel) else load_body(body)
        if model.digest != result.body_digest:
            raise InputError("The result cannot be refined.", f"It was solved with another body than {model.name}.",
                             "Give the body file it was solved with.")
        sampler = Sampler(sessions or Sessions(device=device))
        start, thing = result.state, result.object
        surfaces(model, thing, start)
        free = free._replace(betas=free.betas * (model.source == "default"))
        watch = {"weights": weights, "progress": clock.part, "cancelled": cancelled}
        hands = joint_rotations(model, start.body)[25:]
    with clock("flow"):
        if painted is None:
            crop = crop_of(result.observation())
            told = cropped(result.observation(), crop, thing, start.object.scale, seed)
            found = sampler.sample(told, guide_surface(model, hands=hands), start_of(model, start, crop), steps=steps,
                                   seed=seed, free=free, **watch).every
        else:
            task = painted_task(model, result, painted, free, seed)
            crop, free = task.crop, task.free
            found = sampler.towards(task.stages, task.start, free=free, steps=round(steps * PAINT_STEPS / STEPS),
                                    **watch)
            found = task.solved(found)
        state = held(start, state_of(model, found, start, crop), free)
    with clock("interfield"):
        field = measure(*surfaces(model, thing, state), result.field.sigma)
    notes = list(dict.fromkeys([*result.info.get("notes", ()), *(sampler.notes if painted is None else ())]))
    info = {**result.info, "notes": notes, "seconds": clock.seconds, "device": sampler.device, "seed": seed,
            "steps": steps, "method": "refined" if painted is None else "painted", "start": "a result"}
    return replace(result, state=state, field=field, info=info, predicted_body=None, predicted_object=None)


def held(start: State, found: State, free: Free) -> State:
    """What was found, with what was not free exactly as the start has it."""
    pose = np.where(free.joints[:, None] > 0, found.body.body_pose, start.body.body_pose)
    body = replace(found.body, body_pose=pose.astype(np.float32))
    if not free.betas:
        body = replace(body, betas=start.body.betas)
    if not free.body:
        body = replace(body, rotation=start.body.rotation, **(
            {} if free.betas else {"translation": start.body.translation}))
    return State(body, found.object if free.object else start.object)


def weights_of(weights: Weights | Mapping[str, float] | None) -> Weights:
    """Guidance's weights, by name or as they are. InputError when one is unknown, negative, or no number."""
    if weights is None or isinstance(weights, Weights):
        return weights or Weights()
    names = [entry.name for entry in fields(Weights)]
    for name, value in weights.items():
        if name not in names:
            raise InputError(f"There is no weight {name!r}.", f"Guidance has {', '.join(names)}.", "Use one of these.")
        if not (isinstance(value, (int, float)) and 0 <= value <= 1000):
            raise InputError(f"The weight {name} cannot be {value!r}.", "It is not a number from 0 to 1000.",
                             f"Leave it out for {getattr(Weights(), name):g}.")
    return Weights(**weights)


def surfaces(model: BodyModel, thing: ObjectModel, state: State) -> tuple[Mesh, Mesh]:
    """Body and object where a state has them. InputError unless both stand before the camera."""
    body = Mesh(pose(model, state.body).vertices, model.faces)
    check_in_view("body", body)
    object = thing.mesh.moved(state.object.rotation, state.object.translation, state.object.scale)
    check_in_view("object", object)
    return body, object


def check_in_view(name: str, surface: Mesh) -> None:
    """InputError unless the surface is before the camera, most of it, and all of it within FARTHEST."""
    depth = surface.vertices[:, 2]
    if not (np.median(depth) > 0 and np.abs(surface.vertices).max() < FARTHEST):  # NaN is neither
        raise InputError(f"The {name} would not stand before the camera.",
                         f"It would be {np.median(depth):.3g} m from it along the view.",
                         "Check the focal length (--focal, pixels) and the estimate's translations (--init, metres).")
