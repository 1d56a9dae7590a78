"""A result goes to disk and comes back the same, whole or not at all, and a damaged one is refused with a reason."""

import contextlib
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from lexis_core import reconstruction
from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.interfield import measure
from lexis_core.mesh import Mesh
from lexis_core.objects.model import ObjectModel
from lexis_core.reconstruction import Reconstruction, encode_photo, from_arrays, load, to_arrays
from lexis_core.state import BodyState, ObjectState, State


def a_result(seed: int = 0) -> Reconstruction:
    rng = np.random.default_rng(seed)

    def some(*shape):
        return rng.normal(size=shape).astype(np.float32)

    def turn():
        return rotation_from_axis_angle(some(3)).astype(np.float32)

    shape = trimesh.creation.box((0.3, 0.4, 0.5))
    thing = Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32))
    body = Mesh((trimesh.creation.icosphere(subdivisions=2).vertices * 0.4).astype(np.float32),
                trimesh.creation.icosphere(subdivisions=2).faces.astype(np.int32))
    state = State(BodyState(some(21, 3), some(15, 3), some(15, 3), some(3), some(10), some(10), turn(), some(3), True),
                  ObjectState(turn(), some(3), 1.25))
    photo = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    return Reconstruction(
        state, Camera(64, 48, (70.5, 71.0), (31.0, 25.5)),
        ObjectModel("crate", "box", thing, np.eye(4, dtype=np.float32), True, ("a note",), (("side", 0, 12),)),
        measure(body, thing), "some body", "ab" * 32, encode_photo(photo), some(48, 64) > 0, some(48, 64) > 1,
        some(39, 2), some(39, 3), rng.random(39).astype(np.float32), {"device": "cpu", "seconds": {"body": 0.5}})


def same(a, b) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(same(getattr(a, n), getattr(b, n)) for n in a.__dataclass_fields__)
    return a == b


def test_a_result_comes_back_exactly(tmp_path):
    result = a_result()
    result.save(tmp_path / "r.lexis.npz")
    assert same(load(tmp_path / "r.lexis.npz"), result)
    assert [p.name for p in tmp_path.iterdir()] == ["r.lexis.npz"]


def test_the_networks_own_field_goes_along_where_there_is_one(tmp_path):
    result = a_result()
    result = replace(result, predicted_body=result.field.body[::-1].copy(), predicted_object=result.field.object * 0.5)
    result.save(tmp_path / "r.lexis.npz")
    assert same(load(tmp_path / "r.lexis.npz"), result)
    for wrong in (result.predicted_body[1:], result.predicted_body * 0):
        replace(result, predicted_body=wrong).save(tmp_path / "r.lexis.npz")
        with pytest.raises(InputError, match="predicted_body"):
            load(tmp_path / "r.lexis.npz")


def test_a_result_is_the_same_through_its_arrays_and_nothing_else_is_taken():
    result = a_result()
    arrays = to_arrays(result)
    assert same(from_arrays(arrays), result)
    with pytest.raises(InputError, match="soul, which no result has"):
        from_arrays(arrays | {"soul": np.zeros(3)})
    with pytest.raises(InputError, match=r"The pipe is not a LEXIS result.*\n.*lacks betas"):
        from_arrays({name: array for name, array in arrays.items() if name != "betas"}, "The pipe")


def test_the_observation_comes_back_with_the_photo(tmp_path):
    seen = a_result().observation()
    assert seen.image.shape == (48, 64, 3) and seen.object_mask is not None


def changed(path, name, value):
    with np.load(path) as file:
        arrays = {k: file[k] for k in file.files}
    arrays[name] = value(arrays[name]) if callable(value) else value
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


@pytest.mark.parametrize("name, value", [
    ("body_pose", lambda a: a[:20]),
    ("body_pose", lambda a: a * np.nan),
    ("body_rotation", lambda a: a * 2),
    ("object_rotation", lambda a: -a),
    ("object_faces", lambda a: a + 1000),
    ("object_faces", lambda a: a[:0]),
    ("if_body", lambda a: a * 0),
    ("if_object", lambda a: a[:-1]),
    ("body_distance", lambda a: a - 100),
    ("object_scale", np.array(-1.0)),
    ("person_mask", lambda a: a[:-1]),
    ("confidence", lambda a: a + 2),
    ("photo", lambda a: a[:50]),
    ("image_size", np.array([1 << 20, 1 << 20])),
    ("meta", np.array("[]")),
    ("meta", np.array("{")),
    ("meta", lambda a: np.array(str(a).replace('"format_version": 1', '"format_version": 99'))),
    ("sigma", None),
])
def test_a_value_out_of_place_is_refused_with_a_reason(tmp_path, name, value):
    path = tmp_path / "r.lexis.npz"
    a_result().save(path)
    changed(path, name, value)
    with pytest.raises(InputError) as error:
        load(path)
    assert all(error.value.args)


def test_a_pickle_inside_is_not_run(tmp_path):
    path = tmp_path / "r.lexis.npz"
    a_result().save(path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, "meta": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(InputError):
        load(path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_harmless(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("damage") / "r.lexis.npz"
    a_result().save(path)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[:data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw)
    with contextlib.suppress(InputError):
        load(path)


def test_a_missing_file_and_a_folder_are_said(tmp_path):
    for path in (tmp_path / "none.lexis.npz", tmp_path):
        with pytest.raises(InputError):
            load(path)


def test_nothing_is_left_when_writing_fails(tmp_path):
    target = tmp_path / "file"
    target.write_text("here first")
    with pytest.raises(InputError):
        a_result().save(target / "r.lexis.npz")
    broken = replace(a_result(), info={"bad": object()})
    with pytest.raises(TypeError):
        broken.save(tmp_path / "r.lexis.npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_a_bomb_is_refused_before_it_unpacks(tmp_path, monkeypatch):
    monkeypatch.setattr(reconstruction, "MAX_BYTES", 10 << 20)
    path = tmp_path / "r.lexis.npz"
    with (zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
          archive.open("meta.npy", "w", force_zip64=True) as member):
        for _ in range(11):
            member.write(bytes(1 << 20))
    with pytest.raises(InputError, match="10 MB is the limit"):
        load(path)
