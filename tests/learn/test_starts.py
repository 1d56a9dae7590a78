"""The expert estimate's errors put on truths: what is drawn is what was measured, and half a start is half way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from lexis_core.body.names import JOINTS
from lexis_core.errors import InputError
from lexis_core.learn import measure_starts, starts
from lexis_core.learn.flow_state import States
from lexis_core.learn.kinematics import skeleton
from lexis_core.learn.starts import KINDS, RESIDUALS, StartErrors, residuals, start
from lexis_core.objects.library import CATEGORIES

COUNT = 4000


def truths(count: int, seed: int = 0) -> tuple[States, torch.Tensor]:
    rng = np.random.default_rng(seed)

    def turns(*shape: int) -> torch.Tensor:
        total = int(np.prod(shape))
        return torch.tensor(Rotation.random(total, random_state=rng).as_matrix().reshape(*shape, 3, 3)).float()

    def numbers(middle: tuple[float, ...], spread: float) -> torch.Tensor:
        return torch.tensor(rng.normal(middle, spread, (count, len(middle)))).float()

    pelvis = numbers((0, 0, 7), 0.3)
    return States(turns(count, 21), turns(count), pelvis, numbers((0,) * 10, 1), turns(count),
                  pelvis + numbers((0, 0.2, 0.1), 0.3)), torch.tensor(rng.uniform(0.9, 3, count)).float()


@pytest.fixture(scope="module")
def drawn() -> dict[str, torch.Tensor]:
    return StartErrors.load().draw(torch.Generator().manual_seed(1), torch.arange(COUNT) % KINDS, 1.0)


def test_no_error_is_the_truth():
    truth, focal = truths(64)
    errors = StartErrors.load().draw(torch.Generator().manual_seed(0), torch.zeros(64, dtype=torch.long), 0.0)
    same = start(truth, errors, focal)
    for name in States._fields:
        assert_allclose(getattr(same, name), getattr(truth, name), atol=1e-5)


def test_a_start_and_its_residuals_are_inverse(drawn):
    truth, focal = truths(COUNT)
    back = residuals(truth, start(truth, drawn, focal), focal)
    for name in RESIDUALS:
        vectors = drawn[name].reshape(-1, 3) if name == "theta" else drawn[name]
        found = back[name].reshape(-1, 3) if name == "theta" else back[name]
        if name in starts.TURNS:  # half a turn one way is half a turn the other way
            clear = torch.linalg.vector_norm(vectors, dim=1) < np.pi - 0.01
            vectors, found = vectors[clear], found[clear]
        assert_allclose(found, vectors, atol=2e-3)


def test_full_starts_have_the_measured_spread():
    measured, generator = StartErrors.load(), torch.Generator().manual_seed(2)
    for kind in measured.kind.unique():
        if (measured.kind == kind).sum() < 25:
            continue
        found = measured.draw(generator, kind.expand(COUNT), 1.0)
        share = measured.odds[kind] / measured.odds[kind].sum()
        for name, rows in measured.rows.items():
            size, wanted = (torch.linalg.vector_norm(values.flatten(1), dim=1).numpy() for values in
                            (found[name], rows))
            order = np.argsort(wanted)
            at = np.searchsorted(np.cumsum(share.numpy()[order]), [0.25, 0.5, 0.75])
            near = np.quantile(wanted, 0.9) * 0.12
            assert_allclose(np.quantile(size, [0.25, 0.5, 0.75]), wanted[order][at], rtol=0.25, atol=near)


def test_a_half_start_is_half_way():
    truth, focal = truths(200)
    kind = torch.full((200,), 1)
    whole, half = (start(truth, StartErrors.load().draw(torch.Generator().manual_seed(3), kind, scale), focal)
                   for scale in (1.0, 0.5))
    for name in ("body_rotation", "object_rotation"):
        true, far, near = (Rotation.from_matrix(getattr(s, name).numpy()) for s in (truth, whole, half))
        way = (true.inv() * far).magnitude()
        assert_allclose((true.inv() * near).magnitude(), way / 2, atol=2e-3)
        assert_allclose((near.inv() * far).magnitude(), way / 2, atol=2e-3)
    gap = [torch.log(s.pelvis[:, 2] / truth.pelvis[:, 2]) for s in (whole, half)]
    assert_allclose(gap[1], gap[0] / 2, atol=1e-5)


def test_a_bone_errs_by_the_same_angle_in_every_pose(drawn):
    rest = skeleton().numpy()
    knee, ankle = JOINTS.index("left_knee"), JOINTS.index("left_ankle")
    shin = (rest[ankle] - rest[knee]) / np.linalg.norm(rest[ankle] - rest[knee])

    def off(seed: int) -> np.ndarray:
        truth, focal = truths(COUNT, seed)
        found = []
        for states in (truth, start(truth, drawn, focal)):
            turn = states.body_rotation
            for joint in (JOINTS.index("left_hip"), knee):
                turn = turn @ states.theta[:, joint - 1]
            found.append(turn.numpy() @ shin)
        return np.degrees(np.arccos(np.clip((found[0] * found[1]).sum(1), -1, 1)))

    one, other = off(1), off(2)
    assert one.max() > 20
    assert_allclose(one, other, atol=0.2)


def test_touch_is_kept_apart():
    measured = StartErrors.load()
    touch = torch.arange(KINDS)[:, None] % 2 == measured.kind % 2
    share = (measured.odds * touch).sum(1) / measured.odds.sum(1)
    assert (share[1::2] > 0.95).all()


def test_mirroring_a_start_is_the_start_of_the_mirrored_scene(drawn):
    truth, focal = truths(COUNT)
    flip = torch.tensor([-1.0, 1.0, 1.0])

    def in_mirror(s: States) -> States:
        turned = [flip[:, None] * r * flip for r in (s.theta, s.body_rotation, s.object_rotation)]
        theta = turned[0][:, starts.swapped_sides(torch.arange(21)[:, None])[:, 0]]
        return States(theta, turned[1], s.pelvis * flip, s.betas, turned[2], s.object_position * flip)

    one, other = in_mirror(start(truth, drawn, focal)), start(in_mirror(truth), starts.mirrored(drawn), focal)
    for name in States._fields:
        assert_allclose(getattr(one, name), getattr(other, name), atol=1e-4)


def test_rotation_vectors_agree_with_scipy():
    vectors = np.random.default_rng(0).normal(0, 1.2, (2000, 3))
    vectors = np.concatenate([vectors, [[0, 0, 0], [1e-9, 0, 0], [np.pi, 0, 0], [0, 0, -np.pi + 1e-5]]])
    matrices = Rotation.from_rotvec(vectors).as_matrix()
    assert_allclose(starts.rotation_of(torch.tensor(vectors)), matrices, atol=1e-12)
    found = starts.rotation_vector(torch.tensor(matrices)).numpy()
    assert_allclose(Rotation.from_rotvec(found).as_matrix(), matrices, atol=1e-7)
    assert np.linalg.norm(found, axis=1).max() <= np.pi + 1e-6


def test_every_category_has_a_kind():
    kinds = {starts.kind_of(name, touch) for name in CATEGORIES for touch in (False, True)}
    assert kinds == set(range(KINDS))


@pytest.mark.parametrize("spoil", [
    lambda a: a.pop("betas"), lambda a: a.update(theta=a["theta"][:, :5]), lambda a: a.update(kind=a["kind"] + 99),
    lambda a: a.update(object_place=a["object_place"] * np.nan)])
def test_another_file_is_told(tmp_path, spoil):
    with np.load(starts.FILE) as arrays:
        values = dict(arrays)
    spoil(values)
    np.savez(tmp_path / "errors.npz", **values)
    with pytest.raises(InputError):
        StartErrors.load(tmp_path / "errors.npz")
    with pytest.raises(InputError):
        StartErrors.load(tmp_path / "none.npz")


def test_what_shipped_was_measured_on_many():
    text = measure_starts.summary()
    with np.load(starts.FILE) as arrays:
        assert len(arrays["row"]) >= 200 and f"| all | {len(arrays['row'])} |" in text
        turned = np.degrees(np.linalg.norm(arrays["object_rotation"].astype(float), axis=1))
    assert f"{np.median(turned):.1f} / {np.quantile(turned, 0.9):.1f}" in text
