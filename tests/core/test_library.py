"""The parametric objects are closed, outward-facing, of lifelike size, and what docs/objects.md says they are."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lexis_core.errors import InputError
from lexis_core.interfield import distance, inside
from lexis_core.mesh import Mesh, face_areas
from lexis_core.objects.library import CATEGORIES, make
from lexis_core.objects.library.catalogue import table
from lexis_core.objects.library.category import PLACES, Range
from lexis_core.objects.library.sheet import view
from lexis_core.objects.load import load_object

NAMES = list(CATEGORIES)

# What shops and standards say, in metres: lowest and highest of width (x), height (y), length (z).
USUAL = {
    "chair": ((0.40, 0.60), (0.75, 1.05), (0.42, 0.65)), "armchair": ((0.65, 1.1), (0.7, 1.1), (0.7, 1.1)),
    "stool": ((0.28, 0.5), (0.4, 0.8), (0.28, 0.5)), "bench": ((1.0, 2.0), (0.4, 1.0), (0.3, 0.8)),
    "table": ((0.8, 2.2), (0.68, 0.80), (0.6, 1.1)), "desk": ((1.0, 1.9), (0.68, 0.80), (0.5, 0.95)),
    "bed": ((0.9, 2.1), (0.5, 1.4), (1.9, 2.4)), "sofa": ((1.4, 2.8), (0.6, 1.1), (0.7, 1.2)),
    "box": ((0.2, 0.8), (0.15, 0.6), (0.15, 0.6)), "suitcase": ((0.3, 0.6), (0.5, 1.3), (0.18, 0.4)),
    "backpack": ((0.25, 0.4), (0.38, 0.7), (0.15, 0.4)), "bag": ((0.25, 0.5), (0.3, 0.8), (0.08, 0.25)),
    "basket": ((0.3, 0.8), (0.1, 0.4), (0.3, 0.8)), "ball": ((0.2, 0.25),) * 3, "yoga_ball": ((0.45, 0.9),) * 3,
    "bottle": ((0.055, 0.1), (0.15, 0.35), (0.055, 0.1)), "cup": ((0.06, 0.15), (0.07, 0.14), (0.06, 0.1)),
    "laptop": ((0.28, 0.4), (0.12, 0.3), (0.2, 0.4)), "phone": ((0.06, 0.085), (0.13, 0.175), (0.006, 0.016)),
    "umbrella": ((0.8, 1.35), (0.75, 1.1), (0.8, 1.35)), "tennis_racket": ((0.21, 0.32), (0.58, 0.74), (0.02, 0.05)),
    "baseball_bat": ((0.05, 0.07), (0.7, 1.07), (0.05, 0.07)), "skateboard": ((0.17, 0.25), (0.09, 0.2), (0.7, 1.05)),
    "surfboard": ((0.45, 0.62), (0.1, 0.4), (1.6, 2.9)), "snowboard": ((0.24, 0.36), (0.15, 0.35), (1.3, 1.75)),
    "bicycle": ((0.4, 0.8), (0.85, 1.15), (1.5, 1.9)), "motorcycle": ((0.6, 1.0), (1.0, 1.5), (1.8, 2.4)),
    "horse": ((0.4, 1.0), (1.7, 2.5), (2.0, 3.0)), "tripod": ((0.5, 1.3), (0.6, 2.2), (0.5, 1.3)),
    "broom": ((0.2, 0.45), (1.1, 1.7), (0.04, 0.12)), "guitar": ((0.28, 0.45), (0.75, 1.1), (0.05, 0.16)),
    "monitor": ((0.45, 0.85), (0.3, 0.65), (0.15, 0.3)), "keyboard": ((0.3, 0.5), (0.01, 0.05), (0.1, 0.18)),
    "toolbox": ((0.3, 0.7), (0.2, 0.4), (0.15, 0.35)), "plant": ((0.3, 1.0), (0.4, 1.5), (0.3, 1.0)),
    "shopping_cart": ((0.45, 0.7), (0.9, 1.15), (0.75, 1.2)), "ladder": ((0.3, 0.6), (1.5, 3.3), (0.03, 0.12)),
    "dumbbell": ((0.15, 0.45), (0.06, 0.23), (0.06, 0.23)), "barbell": ((1.5, 2.25), (0.2, 0.46), (0.2, 0.46)),
}


def component_volumes(mesh):
    """Signed volume of every connected piece, by the divergence theorem."""
    f, count = mesh.faces, len(mesh.vertices)
    edges = np.concatenate([f[:, :2], f[:, 1:]])
    pieces, label = connected_components(coo_matrix((np.ones(len(edges)), edges.T), (count, count)), directed=False)
    a, b, c = (mesh.vertices[f[:, k]].astype(np.float64) for k in range(3))
    return np.bincount(label[f[:, 0]], np.einsum("ij,ij->i", a, np.cross(b, c)) / 6, pieces)


def loose_parts(model, gap=0.002):
    """Names of the parts that no chain of pieces nearer than the gap, or inside each other, ties to the first piece."""
    f, v = model.mesh.faces, model.mesh.vertices
    edges = np.concatenate([f[:, :2], f[:, 1:]])
    count, label = connected_components(coo_matrix((np.ones(len(edges)), edges.T), (len(v), len(v))), directed=False)
    part = np.repeat([name for name, _, _ in model.parts], [n for _, _, n in model.parts])
    pieces = [Mesh(v, f[label[f[:, 0]] == k]) for k in range(count)]
    points = [np.concatenate([v[label == k], v[p.faces].mean(1)]) for k, p in enumerate(pieces)]
    low = np.array([p.min(0) for p in points]) - gap
    high = np.array([p.max(0) for p in points]) + gap
    touches = np.zeros((count, count), bool)
    for k, piece in enumerate(pieces):
        for j in np.nonzero(((low < high[k]) & (high > low[k])).all(1))[0]:
            near = points[j][((points[j] > low[k]) & (points[j] < high[k])).all(1)]
            if j != k and not touches[k, j] and len(near):
                touches[k, j] = touches[j, k] = distance(near, piece).min() < gap or inside(near, piece).any()
    together = connected_components(coo_matrix(touches), directed=False)[1]
    return {str(part[np.argmax(label[f[:, 0]] == k)]) for k in np.nonzero(together != together[label[f[0, 0]]])[0]}


def assert_clean(model):
    mesh = model.mesh
    reference = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert np.isfinite(mesh.vertices).all()
    assert reference.is_watertight and reference.is_winding_consistent
    assert component_volumes(mesh).min() > 0
    assert face_areas(mesh).min() > 1e-11
    assert np.abs(mesh.vertices.min(0) + mesh.vertices.max(0)).max() < 1e-5
    assert sum(count for _, _, count in model.parts) == len(mesh.faces)


@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_closed_and_faces_outwards_whatever_its_parameters(name):
    category = CATEGORIES[name]
    model = make(name)
    assert category.place in PLACES and model.category == name and not model.metric
    assert 500 <= len(model.mesh.faces) <= 16_000
    assert_clean(model)
    rng = np.random.default_rng(len(name))
    for _ in range(6):
        assert_clean(make(name, **category.sample(rng)))
    for end in ("low", "high"):
        assert_clean(make(name, **{key: getattr(p, end) for key,
                                   p in category.parameters.items() if isinstance(p, Range)}))


@pytest.mark.parametrize("name", NAMES)
def test_no_piece_of_an_object_floats(name):
    category = CATEGORIES[name]
    other = category.sample(np.random.default_rng(7 + len(name)))
    assert not loose_parts(make(name)) and not loose_parts(make(name, **other)), other


def test_the_library_has_the_categories_people_ask_for():
    assert set(USUAL) <= set(CATEGORIES) and len(CATEGORIES) >= 36


@pytest.mark.parametrize("name", sorted(USUAL))
def test_defaults_have_the_size_of_the_real_thing(name):
    extents = np.ptp(make(name).mesh.vertices, axis=0)
    low, high = np.array(USUAL[name]).T
    assert (low <= extents).all() and (extents <= high).all(), extents


@pytest.mark.parametrize(("name", "part", "low", "high"), [
    ("chair", "seat", 0.40, 0.50), ("armchair", "seat", 0.38,
                                    0.48), ("sofa", "seat", 0.38, 0.48), ("bench", "seat", 0.40, 0.48),
    ("stool", "seat", 0.40, 0.78), ("table", "top", 0.70,
                                    0.78), ("bed", "mattress", 0.40, 0.65), ("bicycle", "saddle", 0.75, 1.05),
    ("motorcycle", "seat", 0.70, 0.90), ("skateboard", "deck", 0.09, 0.17),
])
def test_people_find_the_seat_at_its_usual_height(name, part, low, high):
    model = make(name)
    floor = model.mesh.vertices[:, 1].min()
    top = model.mesh.vertices[model.mesh.faces[model.part_faces(part)], 1].max() - floor
    assert low <= top <= high, top


def test_the_seat_is_as_high_as_asked_and_the_back_is_behind():
    model = make("chair", seat_height=0.42, back="panel")
    seat = model.mesh.vertices[model.mesh.faces[model.part_faces("seat")]]
    back = model.mesh.vertices[model.mesh.faces[model.part_faces("back")]]
    assert seat[..., 1].max() - model.mesh.vertices[:, 1].min() == pytest.approx(0.42, abs=2e-3)
    assert back[..., 2].mean() < seat[..., 2].mean()
    assert model.part_faces("wheel").size == 0


def test_nothing_stands_below_the_floor_it_was_built_on():
    for name in ("chair", "table", "bed", "bicycle", "motorcycle", "horse", "shopping_cart", "stool", "sofa"):
        floor = make(name).file_from_canonical[1, 3] + make(name).mesh.vertices[:, 1].min()
        assert abs(floor) < 1e-3, (name, floor)


def test_inside_and_outside_are_told_apart():
    cup, ball, basket = make("cup"), make("ball", diameter=0.2), make("basket")
    assert not inside(np.zeros((1, 3), np.float32), cup.mesh)[0]
    assert not inside(np.zeros((1, 3), np.float32), basket.mesh)[0]
    points = np.random.default_rng(0).uniform(-0.12, 0.12, (400, 3)).astype(np.float32)
    reach = np.linalg.norm(points, axis=1)
    sure = np.abs(reach - 0.1) > 2e-3
    np.testing.assert_array_equal(inside(points, ball.mesh)[sure], reach[sure] < 0.1)


@pytest.mark.parametrize(("name", "given"), [
    ("chair", {"seat_height": 3.0}), ("chair", {"seat_height": float("nan")}), ("chair", {"back": "velvet"}),
    ("chair", {"wings": 2}),
    ("chair", {"spindles": 6.5}), ("tripod", {"camera": 1}), ("chair", {"seat_height": "high"}), ("flying carpet", {}),
])
def test_impossible_parameters_are_refused_with_what_is_possible(name, given):
    with pytest.raises(InputError) as error:
        make(name, **given)
    assert error.value.remedy.endswith(".")


def test_names_are_read_as_people_write_them():
    assert load_object("Yoga ball").category == load_object("yoga-ball").category == "yoga_ball"


def test_the_same_parameters_give_the_same_mesh():
    a, b = (make("plant", leaves=12).mesh for _ in range(2))
    np.testing.assert_array_equal(a.vertices, b.vertices)


def test_the_picture_shows_the_object_and_only_the_object():
    picture = view(make("ball"), 64)
    seen = (picture < 250).any(-1).mean()
    assert seen == pytest.approx(np.pi / 4 / 1.06**2, abs=0.03)


def test_the_documented_table_is_the_library():
    assert table() in Path(__file__).parents[2].joinpath("docs/objects.md").read_text(encoding="utf-8")
