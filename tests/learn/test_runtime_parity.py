"""The runtime's numpy and ONNX Runtime give what training's torch gives."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from lexis_core.body import default_body
from lexis_core.body.surface import guide_surface
from lexis_core.learn import flow_state
from lexis_core.learn.guidance import Weights as TorchWeights
from lexis_core.learn.observed import Observed, observed
from lexis_core.learn.sampler import default_flow, sample
from lexis_core.objects.library import make
from lexis_core.observe import observe
from lexis_core.runtime.crop import crop_of, cropped
from lexis_core.runtime.sampler import Free, Sampler, Weights
from lexis_core.runtime.seen import Seen, seen_of
from lexis_core.runtime.session import Sessions
from lexis_core.runtime.start import closed_form
from lexis_core.runtime.states import States, pelvis_of, place_of

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
from synthetic_smplx import smplx_like

DEMO = Path(__file__).resolve().parents[2] / "lexis_core" / "data" / "demo"


@pytest.fixture(scope="module")
def seen() -> Seen:
    photo = observe(DEMO / "camera.png", DEMO / "person_mask.png", DEMO / "tripod_mask.png")
    return cropped(photo, crop_of(photo), make("tripod"), 1.0, 0)


def in_torch(seen: Seen, image: torch.Tensor) -> Observed:
    return Observed(image, *(torch.from_numpy(value) for value in seen[1:]))


def made_up(count: int) -> tuple[np.ndarray, ...]:
    """Masks, landmarks, landmarks_world, confidence, camera and object points of pictures that show nothing real."""
    rng = np.random.default_rng(0)
    masks = np.zeros((count, 112, 112), np.uint8)
    masks[:, 20:90, 30:70] = 1
    masks[: count - 1, 50:70, 60:100] = 2  # the last one shows no object
    return (masks, rng.normal(0, 0.2, (count, 33, 2)), rng.normal(0, 0.4, (count, 33, 3)), rng.random((count, 33)),
            np.tile([1.3, 0.01, 0.02], (count, 1)), rng.normal(size=(count, 256, 3)).astype(np.float32))


def test_what_is_seen_is_the_same():
    masks, *rest, points = made_up(3)
    normals = points[..., ::-1].copy()
    ours = seen_of(np.zeros((3, 3, 112, 112)), masks, *rest, points, normals)
    theirs = observed(torch.zeros(3, 16, 128), masks, *rest, torch.from_numpy(points), torch.from_numpy(normals))
    for name in Observed._fields[1:]:
        assert_allclose(getattr(ours, name), getattr(theirs, name).numpy(), err_msg=name)


def test_places_are_the_same():
    rng = np.random.default_rng(1)
    pelvis, focal = rng.normal([0, 0, 4], [1, 1, 0.5], (50, 3)), rng.uniform(0.9, 3, 50)
    place = flow_state.place_of(torch.from_numpy(pelvis), torch.from_numpy(focal))
    assert_allclose(place_of(pelvis, focal), place.numpy(), atol=1e-12)
    assert_allclose(pelvis_of(place.numpy(), focal), pelvis, atol=1e-12)
    assert_allclose(flow_state.pelvis_of(place, torch.from_numpy(focal)).numpy(), pelvis, atol=1e-12)


@pytest.mark.parametrize("body", ["default", "made-up"])
@pytest.mark.parametrize("steps, guided", [(25, False), (1, True)])
def test_the_sampler_is_the_same(steps, guided, body, seen):
    """All steps without guidance, and one or two guided ones: through more, torch differs from itself when its input
    changes in the last digit, because each step is clipped and looks for nearest points anew."""
    model = default_body() if body == "default" else smplx_like()
    flow, guide, sampler = default_flow(model), guide_surface(model), Sampler(Sessions(device="cpu"))
    rng = np.random.default_rng(0)
    noise = tuple(rng.standard_normal((2, *shape), np.float32) for shape in ((16, 128), (19,), (9,)))
    joints = np.ones(21, np.float32)
    joints[17] = 0
    own = float(body == "default")
    with torch.no_grad():
        image = flow.encoder(torch.from_numpy(seen.image))
    free = flow_state.Free(torch.from_numpy(joints)[None], torch.ones(1), torch.full((1,), own), torch.ones(1))
    for start in (closed_form(seen, guide, np.array([0.4])), None)[: 2 if own else 1]:
        found = sampler.sample(seen, guide, start, steps=steps, hypotheses=2, noise=noise, weights=Weights(mask=2.0),
                               free=Free(joints, betas=own), guided=guided)
        theirs = sample(flow, in_torch(seen, image), None if start is None else
                        flow_state.States(*(torch.from_numpy(value) for value in start)), hypotheses=2, steps=steps,
                        noise=flow_state.Coordinates(*(torch.from_numpy(part) for part in noise)), free=free,
                        weights=TorchWeights(mask=2.0), guidance="interfield" if guided else "none")
        assert_allclose(found.energy, theirs.energy.numpy(), rtol=1e-3)
        for name, ours, other in zip(States._fields, found.every, theirs.every, strict=True):
            assert_allclose(ours, other.numpy(), atol=1e-4, err_msg=name)
        told = sampler.predicted(found, 0, guide.rest, seen.object_points[0])
        for ours, other in zip(told, (theirs.body, theirs.object), strict=True):
            assert_allclose(ours, other[0].numpy(), atol=1e-4)
