"""The methods of the table, each from the same task: what is seen, the object, the start.

A learned one takes its networks from the folder of weights; the others work without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lexis_core.learn.contact_opt import optimised
from lexis_core.learn.flow_net import UNKNOWN
from lexis_core.learn.flow_state import States, pelvis_of
from lexis_core.learn.kinematics import rotation_of
from lexis_core.learn.observed import Observed
from lexis_core.learn.sampler import Flow, regress, sample
from lexis_core.learn.starts import start_errors


@dataclass(frozen=True)
class Task:
    """B pictures.

    scale : of the start's errors, or UNKNOWN
    seed  : of a method's own randomness
    field : the true InterField (Benchmark.true_fields), for the method that is told
    """

    seen: Observed
    start: States
    scale: float = UNKNOWN
    seed: int = 0
    field: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True)
class Method:
    """run : (task, networks or None) -> States. told : sees the true InterField."""

    run: Callable[[Task, Flow | None], States]
    learned: bool = False
    told: bool = False
    from_start: bool = True


def mean_state(task: Task, flow: Flow | None) -> States:
    """The same for every picture but its lens: the measured truths' mean pose and place, facing the camera."""
    mean, count = start_errors().mean, len(task.seen.camera)
    facing = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(count, 3, 3)
    pelvis = pelvis_of(mean["place"].expand(count, 3), task.seen.focal)
    return States(rotation_of(mean["theta"]).expand(count, 21, 3, 3), facing, pelvis, torch.zeros(count, 10), facing,
                  pelvis + mean["offset"])


def _sampled(guidance: str, star: bool = True) -> Callable[[Task, Flow], States]:
    def run(task: Task, flow: Flow) -> States:
        return sample(flow, task.seen, task.start if star else None, guidance=guidance, true_field=task.field,
                      scale=task.scale, seed=task.seed).states
    return run


METHODS: dict[str, Method] = {
    "mean": Method(mean_state, from_start=False),
    "estimate": Method(lambda task, flow: task.start),
    "contact-opt": Method(lambda task, flow: optimised(task.seen, task.start)),
    "regression": Method(lambda task, flow: regress(flow, task.seen, task.start, task.scale), learned=True),
    "flow": Method(_sampled("interfield", star=False), learned=True, from_start=False),
    "flow-star": Method(_sampled("interfield"), learned=True),
    "flow-star-unguided": Method(_sampled("none"), learned=True),
    "flow-star-contact": Method(_sampled("contact"), learned=True),
    "flow-star-true-if": Method(_sampled("true"), learned=True, told=True),
}
PAIRS = (("flow-star", "estimate"), ("flow-star", "contact-opt"), ("flow-star", "regression"),
         ("flow-star", "flow-star-unguided"), ("flow-star", "flow-star-contact"), ("flow-star-true-if", "flow-star"),
         ("contact-opt", "estimate"))
