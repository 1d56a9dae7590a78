"""Make the golden vectors: a picture of rectangles, a small random pose, and what torch makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.learn.guidance import Weights
from lexis_core.learn.sampler import Flow
from lexis_core.learn.surface import Surface
from lexis_core.runtime.golden import FOUND, GIVEN, LARGE, through
from lexis_core.runtime.seen import LANDMARKS, SIDE, Seen, seen_of
from onnx_export.graphs import Graph

Array = np.ndarray
DECIMALS = 3  # of random numbers, so that the file is small
FACING = np.diag([1.0, -1, -1])


def write_golden(flow: Flow, graphs: Sequence[Graph], path: Path) -> None:
    given = {name: np.asarray(value, np.int64 if name == "landmark" else np.float32)
             for name, value in golden_input(flow).items()}
    found = through(torch_run(graphs), given)
    arrays = {GIVEN + name: value for name, value in given.items()}
    np.savez_compressed(path, **arrays, **{FOUND + name: value for name, value in found.items()
                                  if not name.startswith(LARGE)})


def torch_run(graphs: Sequence[Graph]):
    """The graphs in torch, called as sessions are: model, feeds -> outputs, in numpy."""
    by_name = {graph.name: graph for graph in graphs}

    @torch.no_grad()
    def run(model: str, feeds: Mapping[str, Array]) -> dict[str, Array]:
        graph = by_name[model]
        given = (torch.from_numpy(np.ascontiguousarray(feeds[name])) for name in graph.inputs)
        return {name: value.numpy() for name, value in zip(graph.outputs, graph(*given), strict=True)}

    return run


def golden_input(flow: Flow) -> dict[str, Array]:
    """One picture: someone facing the camera at 3 m, a box at the hands."""
    rng, p = np.random.default_rng(0), flow.flow.p
    points = len(flow.body_rest)
    states = {"theta": rotation_from_axis_angle(rng.normal(0, 0.2, (1, 21, 3))), "rotation": FACING[None],
              "pelvis": np.array([[0, 0, 3.0]]), "betas": _numbers(rng, (1, 10)), "object_rotation": FACING[None],
              "object_position": np.array([[0.1, 0.1, 2.7]])}
    seen = _seen(flow, states, rng)
    one = np.ones(1)
    noise = {"x_tokens": (1, p.tokens, p.code_width), "x_body": (1, 19), "x_object": (1, 9),
             "clean_tokens": (1, p.tokens, p.code_width)}
    return {
        **seen._asdict(), **states, **{name: _numbers(rng, shape) for name, shape in noise.items()},
        "started": one, "scale": -one, "toward": 0.2 * one, "keep": 0.8 * one,
        "settle": 0.3 * one, "onward": 0.1 * one,
        "body_time": 0.7 * one, "object_time": 0.7 * one, "rate": one, "term_weights": Weights().tensor().numpy(),
        "free_joints": np.ones((1, 21)), "free_body": one, "free_betas": one, "free_object": one,
        "body_points": flow.body_rest.numpy()[None], "body_weight": np.ones((1, points)),
        "object_weight": np.ones((1, points)), "landmark": flow.landmark.numpy(),
        **{field.name: getattr(flow.surface, field.name).numpy() for field in fields(Surface)},
    }


def _seen(flow: Flow, states: Mapping[str, Array], rng: np.random.Generator) -> Seen:
    across = np.linspace(0, 1, SIDE).round(2)
    image = np.stack([np.add.outer(across, a * across) / 2 for a in (0.2, 0.6, 1.0)]).round(2)
    masks = np.zeros((1, SIDE, SIDE), np.uint8)
    masks[0, 15:100, 40:72], masks[0, 55:75, 50:80] = 1, 2
    posed = flow.surface.posed(*(torch.from_numpy(np.float32(states[name])) for name in
                                 ("theta", "rotation", "pelvis", "betas"))).points.numpy()[:, -len(flow.landmark):]
    landmarks, world = np.zeros((1, LANDMARKS, 2)), np.zeros((1, LANDMARKS, 3))
    landmarks[:, flow.landmark] = 1.2 * posed[..., :2] / posed[..., 2:] + _numbers(rng, posed[..., :2].shape) / 50
    world[:, flow.landmark] = posed - states["pelvis"]
    box = rng.uniform(-0.15, 0.15, (1, len(flow.body_rest), 3)).round(DECIMALS)
    return seen_of(image[None], masks, landmarks, world, np.full((1, LANDMARKS), 0.9), np.array([[1.2, 0, 0]]), box,
                   box / np.linalg.norm(box, axis=2, keepdims=True))


def _numbers(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.normal(0, 0.5, shape).round(DECIMALS)
