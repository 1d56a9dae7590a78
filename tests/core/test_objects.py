"""Mesh files become canonical objects: the surface stays what it was, and bad files end in one clear error."""

import json
import struct
from io import BytesIO

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lexis_core.errors import InputError
from lexis_core.mesh import Mesh
from lexis_core.objects import files
from lexis_core.objects.library import make
from lexis_core.objects.load import load_mesh, load_object, object_of
from lexis_core.objects.model import decimated, sized, surface_points

ASYMMETRIC = trimesh.transformations.compose_matrix(angles=(0.3, -0.8, 1.1), translate=(3.0, -1.0, 7.0))


def body() -> trimesh.Trimesh:
    """A lopsided solid about 0.9 m across, away from the origin."""
    mesh = trimesh.creation.cone(radius=0.3, height=0.8, sections=24)
    mesh.vertices[:, 0] *= 1.3
    return mesh.apply_transform(ASYMMETRIC)


def written(tmp_path, name, mesh=None, **options):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data := (mesh or body()).export(file_type=path.suffix[1:], **options),
                                        bytes) else data.encode())
    return path


def back_in_file(model):
    m = model.file_from_canonical.astype(np.float64)
    return trimesh.Trimesh(model.mesh.vertices @ m[:3, :3].T + m[:3, 3], model.mesh.faces, process=False)


def assert_same_surface(model, original, tolerance=2e-6):
    again = back_in_file(model)
    assert again.area == pytest.approx(original.area, rel=1e-5)
    assert again.volume == pytest.approx(original.volume, rel=1e-5)
    np.testing.assert_allclose(again.bounds, original.bounds, atol=tolerance)
    np.testing.assert_allclose(np.sort(again.triangles_center, axis=0), np.sort(original.triangles_center, axis=0),
                               atol=tolerance)


@pytest.mark.parametrize(("name", "options"), [
    ("thing.obj", {}), ("thing.ply", {"encoding": "binary"}), ("thing.ply", {"encoding": "ascii"}), ("thing.stl", {}),
    ("thing.glb", {}), ("thing.off", {}), ("THING.STL", {}),
])
def test_every_format_gives_the_same_surface_and_the_way_back(tmp_path, name, options):
    path = tmp_path / name
    data = body().export(file_type=path.suffix[1:].lower(), **options)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    model = load_object(path, units="m")
    assert model.metric and model.category == ""
    assert np.abs(model.mesh.vertices.max(0) + model.mesh.vertices.min(0)).max() < 1e-6
    assert trimesh.Trimesh(model.mesh.vertices, model.mesh.faces, process=False).is_watertight
    assert_same_surface(model, body())


def test_ascii_stl_and_a_separate_gltf_are_read_too(tmp_path):
    path = tmp_path / "thing.stl"
    path.write_text(trimesh.exchange.stl.export_stl_ascii(body()))
    assert_same_surface(load_object(path, units="m"), body(), 1e-5)
    for name, data in trimesh.exchange.gltf.export_gltf(trimesh.Scene(body())).items():
        (tmp_path / name).write_bytes(data)
    assert_same_surface(load_object(tmp_path / "model.gltf", units="m"), body())


def mixed_ply(order="<", tail=False):
    """A pyramid on a square, as modelling programs write it: one quad, four triangles, perhaps a number a face."""
    vertices = [(0, 0, 0, 7), (1, 0, 0, 7), (1, 1, 0, 7), (0, 1, 0, 7), (0.5, 0.5, 1, 7)]
    polygons = [(3, 2, 1, 0), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)]
    word = {"<": "little", ">": "big"}[order]
    header = (f"ply\nformat binary_{word}_endian 1.0\ncomment by hand\nelement vertex 5\n"
              "property float x\nproperty float y\n"
              "property float z\nproperty uchar s\nelement face 5\nproperty list uchar uint vertex_indices\n"
              f"{'property short material' + chr(10) if tail else ''}end_header\n")
    rows = [struct.pack(f"{order}3fB", *v) for v in vertices]
    rows += [struct.pack(f"{order}B{len(p)}I", len(p), *p) + (b"\0\1" if tail else b"") for p in polygons]
    return header.encode() + b"".join(rows)


@pytest.mark.parametrize(("order", "tail"), [("<", False), (">", False), ("<", True)])
def test_a_binary_ply_may_mix_triangles_and_quads(tmp_path, order, tail):
    path = tmp_path / "pyramid.ply"
    path.write_bytes(mixed_ply(order, tail))
    again = back_in_file(load_object(path, units="m"))
    assert again.is_watertight and len(again.faces) == 6
    assert again.volume == pytest.approx(1 / 3, rel=1e-6)


def nested_scene():
    """Two instances of one part below moved, turned and mirrored parents, and a part of its own."""
    scene = trimesh.Scene(base_frame="world")
    part = trimesh.creation.box((0.2, 0.3, 0.4))
    turn = trimesh.transformations.rotation_matrix(0.7, (1, 2, 3), (0.1, 0, 0))
    mirror = np.diag([-1.0, 1, 1, 1])
    mirror[0, 3] = 0.5
    scene.graph.update("arm", "world", matrix=turn)
    scene.add_geometry(part, "part", "part", parent_node_name="arm",
                       transform=trimesh.transformations.translation_matrix((0, 1, 0)))
    scene.graph.update("mirrored", "arm", matrix=mirror)
    scene.graph.update("copy", "mirrored", geometry="part", matrix=np.eye(4))
    scene.add_geometry(trimesh.creation.icosphere(2, 0.25), "ball", "ball", parent_node_name="arm")
    expected = []
    for node, name in (("part", "part"), ("copy", "part"), ("ball", "ball")):
        piece = scene.geometry[name].copy().apply_transform(scene.graph.get(node)[0])
        assert piece.volume > 0
        expected.append(piece)
    return scene, trimesh.util.concatenate(expected)


def test_a_scene_graph_is_flattened_with_all_its_transforms(tmp_path):
    scene, expected = nested_scene()
    path = tmp_path / "scene.glb"
    path.write_bytes(scene.export(file_type="glb"))
    model = load_object(path)
    assert model.metric
    assert len(model.mesh.faces) == len(expected.faces)
    assert_same_surface(model, expected, 1e-5)


def test_seams_and_soups_are_welded_and_the_surface_is_kept(tmp_path):
    sphere = trimesh.creation.icosphere(3, 0.4)
    model = load_object(written(tmp_path, "soup.stl", sphere))
    assert len(model.mesh.vertices) == len(sphere.vertices) and len(model.mesh.faces) == len(sphere.faces)
    assert any("merged" in note for note in model.notes)
    assert_same_surface(model, sphere)


def test_an_obj_keeps_its_vertices_and_their_order_whatever_else_it_says(tmp_path):
    mesh = trimesh.creation.icosphere(2, 0.4)
    faces = "".join(f"usemtl m{i % 3}\nf {a + 1}/{i + 1}/1 {b + 1}/{i + 2}/1 {c + 1}//2\n"
                    for i, (a, b, c) in enumerate(mesh.faces))
    seams = "".join(f"vt {i / 400} 0.5\n" for i in range(400)) + "vn 0 0 1\nvn 0 1 0\ng a/b 1/2\n"
    path = tmp_path / "thing.obj"
    points = "".join(f"v {x:.9f} {y:.9f} {z:.9f}\n" for x, y, z in mesh.vertices)
    path.write_text("mtllib no.mtl\n" + points + seams + faces)
    model = load_object(path, units="m")
    np.testing.assert_allclose(model.mesh.vertices, mesh.vertices, atol=1e-6)
    np.testing.assert_array_equal(model.mesh.faces, mesh.faces)


def test_a_mesh_can_be_read_where_the_file_has_it(tmp_path):
    path = written(tmp_path, "thing.ply")
    mesh = load_mesh(path, units="cm")
    np.testing.assert_allclose(mesh.vertices, 0.01 * body().vertices, atol=1e-7)
    np.testing.assert_array_equal(mesh.faces, body().faces)
    np.testing.assert_allclose(load_mesh(path).vertices, body().vertices, atol=1e-5)
    with pytest.raises(InputError):
        load_mesh(tmp_path / "none.ply")


def test_strays_and_collapsed_faces_go_and_the_notes_say_so(tmp_path):
    path = tmp_path / "dirty.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nv 1 0 0\nf 1 2 3\nf 1 4 2\nf 2 5 3\n")
    model = load_object(path, units="m")
    assert model.mesh.faces.shape == (2, 3) and model.mesh.vertices.shape == (4, 3)
    assert sum("left out" in n or "merged" in n for n in model.notes) == 2
    path = tmp_path / "stray.ply"
    path.write_text("ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
                    "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
                    "0 0 0\n1 0 0\n0 1 0\n900 900 900\n3 0 1 2\n")
    model = load_object(path, units="m")
    assert np.ptp(model.mesh.vertices) <= 1 and any("no face uses" in n for n in model.notes)


def test_z_up_files_are_turned_upright(tmp_path):
    path = written(tmp_path, "mast.stl", trimesh.creation.box((0.2, 0.3, 1.0)))
    assert np.argmax(np.ptp(load_object(path, units="m", up="z").mesh.vertices, axis=0)) == 1
    assert np.argmax(np.ptp(load_object(path, units="m").mesh.vertices, axis=0)) == 2
    assert any("which way is up" in note for note in load_object(path, units="m").notes)
    assert_same_surface(load_object(path, units="m", up="z"), trimesh.creation.box((0.2, 0.3, 1.0)))


@pytest.mark.parametrize(("name", "size", "unit", "across", "metric"), [
    ("thing.obj", 0.9, None, 0.9, False), ("thing.obj", 90.0, None, 0.9, False), ("thing.obj", 900.0, None, 0.9, False),
    ("chair.obj", 1.1, None, 1.1, True), ("old_chair_02.obj", 110.0, None, 1.1,
                                          True), ("Chair.stl", 1100.0, None, 1.1, True),
    ("chair.obj", 43.0, None, 1.0922, True), ("coffee mug.ply", 13.0, None, 0.13,
                                              True), ("thing.obj", 0.9, "cm", 0.009, True),
    ("thing.obj", 3.0, "ft", 0.9144, True), ("thing.glb", 4.0, None, 4.0, True), ("thing.glb", 90.0, None, 0.9, False),
    ("thing.obj", 1e6, None, 1.0, False),
])
def test_units_are_taken_as_given_or_guessed_and_said(tmp_path, name, size, unit, across, metric):
    model = load_object(written(tmp_path, name, trimesh.creation.box([size / np.sqrt(3)] * 3)), units=unit)
    assert np.linalg.norm(np.ptp(model.mesh.vertices, axis=0)) == pytest.approx(across, rel=1e-3)
    assert model.metric is metric
    assert any("across" in note for note in model.notes)
    assert back_in_file(model).extents == pytest.approx([size / np.sqrt(3)] * 3, rel=1e-5)


def test_far_from_the_origin_nothing_is_lost(tmp_path):
    path = tmp_path / "far.ply"
    mesh = trimesh.creation.icosphere(2, 0.4).apply_translation((4e5, 5.5e6, 100.0))
    header = (f"ply\nformat ascii 1.0\nelement vertex {len(mesh.vertices)}\n"
              "property double x\nproperty double y\nproperty double z\n"
              f"element face {len(mesh.faces)}\nproperty list uchar int vertex_indices\nend_header\n")
    rows = [" ".join(f"{c:.9f}" for c in v) for v in mesh.vertices] + [f"3 {a} {b} {c}" for a, b, c in mesh.faces]
    path.write_text(header + "\n".join(rows) + "\n")
    model = load_object(path, units="m")
    np.testing.assert_allclose(np.linalg.norm(model.mesh.vertices, axis=1), 0.4, atol=1e-6)


def test_a_large_scan_is_kept_whole_and_decimated_for_the_solve(tmp_path):
    sphere = trimesh.creation.icosphere(7, 0.5)
    model = load_object(written(tmp_path, "scan.glb", sphere))
    small = decimated(model, 20_000)
    assert len(model.mesh.faces) == len(sphere.faces) == 327_680
    assert 10_000 < len(small.mesh.faces) <= 20_000
    np.testing.assert_allclose(np.linalg.norm(small.mesh.vertices, axis=1), 0.5, atol=1e-3)
    np.testing.assert_array_equal(small.file_from_canonical, model.file_from_canonical)
    assert decimated(small, 20_000) is small


def test_surface_points_are_area_weighted_and_repeatable(tmp_path):
    model = load_object(written(tmp_path, "slab.obj", trimesh.creation.box((1.0, 1.0, 0.01))))
    points = surface_points(model, 4000, seed=3)
    assert points.shape == (4000, 3) and points.dtype == np.float32
    on_edge = (np.abs(np.abs(points[:, :2]).max(1) - 0.5) < 1e-6).mean()
    assert on_edge == pytest.approx(0.04 / 2.04, abs=0.008)
    np.testing.assert_array_equal(points, surface_points(model, 4000, seed=3))


def triangle_gltf(uri, count=3):
    return {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}], "buffers": [{"uri": uri, "byteLength": 36}],
            "bufferViews": [{"buffer": 0, "byteLength": 36}],
            "accessors": [{"bufferView": 0, "componentType": 5126, "count": count, "type": "VEC3"}]}


@pytest.mark.parametrize("uri", ["../secret.bin", "%2e%2e/secret.bin", "http://localhost:9/secret.bin",
                                 "file:///etc/hostname", "SECRET"])
def test_a_gltf_reads_nothing_outside_its_folder(tmp_path, uri):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(struct.pack("9f", 0, 0, 0, 1, 0, 0, 0, 1, 0))
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "thing.gltf"
    path.write_text(json.dumps(triangle_gltf(str(secret) if uri == "SECRET" else uri)))
    with pytest.raises(InputError):
        load_object(path)
    (tmp_path / "inner" / "own.bin").write_bytes(secret.read_bytes())
    path.write_text(json.dumps(triangle_gltf("own.bin")))
    assert len(load_object(path).mesh.faces) == 1


def test_an_obj_with_materials_elsewhere_loads_without_them(tmp_path):
    path = tmp_path / "thing.obj"
    path.write_text("mtllib ../../../etc/passwd\nusemtl a\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert len(load_object(path).mesh.faces) == 1


def bad_files():
    header = "ply\nformat ascii 1.0\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\n"
    face = "element face {}\nproperty list uchar int vertex_indices\nend_header\n"
    points = trimesh.PointCloud(np.random.default_rng(0).random((20, 3)))
    bomb = triangle_gltf("data:application/octet-stream;base64," + "A" * 48)
    del bomb["accessors"][0]["bufferView"]
    bomb["accessors"][0]["count"] = 10**12
    loop = triangle_gltf("data:application/octet-stream;base64," + "A" * 48)
    loop["nodes"] = [{"mesh": 0, "children": [1]}, {"children": [0]}]
    packed = triangle_gltf("x.bin") | {"extensionsRequired": ["KHR_draco_mesh_compression"]}
    return {
        "empty.obj": b"",
        "empty.glb": b"",
        "text.stl": b"this is no mesh at all",
        "points.ply": points.export(file_type="ply"),
        "noface.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\n",
        "nan.obj": b"v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "inf.obj": b"v 0 0 inf\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "beyond.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n",
        "negative.ply": (header.format(3) + face.format(1) + "0 0 0\n1 0 0\n0 1 0\n3 0 1 -2\n").encode(),
        "point.obj": b"v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n",
        "huge.ply": (header.format(10**12) + face.format(10**12)).encode(),
        "huge.off": b"OFF\n99999999999 99999999999 0\n0 0 0\n",
        "bomb.gltf": json.dumps(bomb).encode(),
        "loop.gltf": json.dumps(loop).encode(),
        "packed.gltf": json.dumps(packed).encode(),
        "list.gltf": b"[]",
        "deep.gltf": b"[" * 100_000,
        "photo.glb": b"\x89PNG\r\n\x1a\n" * 9,
        "short.glb": b"glTF\x02\x00\x00\x00",
        "vast.off": b"OFF\n3 1 0\n0 0 0\n1e101 0 0\n0 1 0\n3 0 1 2\n",
        "far.off": b"OFF\n3 1 0\n1e101 0 0\n1e101 1 0\n1e101 0 1\n3 0 1 2\n",
        "line.off": b"OFF\n3 1 0\n0 0 0\n1 0 0\n1 0 0\n3 0 1 2\n",
        "binary.obj": bytes(range(256)) * 40,
        "thing.usdz": b"x",
        "thing": b"x",
    }


@pytest.mark.parametrize("name", sorted(bad_files()))
def test_bad_files_end_in_one_clear_error(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(bad_files()[name])
    with pytest.raises(InputError) as error:
        load_object(path)
    assert all(sentence.endswith(".") for sentence in error.value.args), str(error.value)


@pytest.mark.parametrize("options", [{"units": "parsec"}, {"up": "x"}, {"category": "dragon"}, {"units": "mm"}])
def test_wrong_options_are_refused(tmp_path, options):
    with pytest.raises(InputError):
        load_object(written(tmp_path, "thing.obj", trimesh.creation.box([0.2] * 3)), **options)


def test_missing_files_folders_and_unknown_names_are_refused(tmp_path):
    (tmp_path / "folder.obj").mkdir()
    for what in (tmp_path / "none.obj", tmp_path / "folder.obj", tmp_path, "no such thing", ""):
        with pytest.raises(InputError):
            load_object(what)


def test_sizes_beyond_the_limit_are_refused_before_they_are_parsed(tmp_path, monkeypatch):
    path = written(tmp_path, "thing.stl")
    monkeypatch.setattr(files, "MAX_FACES", 10)
    with pytest.raises(InputError):
        load_object(path)
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    with pytest.raises(InputError):
        load_object(path)


def test_instances_count_towards_the_limit(tmp_path, monkeypatch):
    scene, expected = nested_scene()
    path = tmp_path / "scene.glb"
    path.write_bytes(scene.export(file_type="glb"))
    monkeypatch.setattr(files, "MAX_FACES", len(expected.faces) - 1)
    with pytest.raises(InputError):
        load_object(path)


def valid_files():
    mesh = trimesh.creation.icosphere(1, 0.4)
    found = {kind: mesh.export(file_type=kind) for kind in ("obj", "ply", "stl", "glb", "off")}
    found["ascii.ply"] = mesh.export(file_type="ply", encoding="ascii")
    found["ascii.stl"] = trimesh.exchange.stl.export_stl_ascii(mesh)
    embedded = triangle_gltf("data:application/octet-stream;base64,AAAAAAAAAAAAAAAAAACAPwAAAAAAAAAAAAAAAAAAgD8AAAAA")
    found["gltf"] = json.dumps(embedded)
    found["mixed.ply"] = mixed_ply(tail=True)
    return {name: data if isinstance(data, bytes) else data.encode() for name, data in found.items()}


VALID = valid_files()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(VALID)), cut=st.floats(0, 1), data=st.data())
def test_damaged_files_give_a_sound_model_or_a_clear_error(tmp_path, kind, cut, data):
    content = bytearray(VALID[kind])
    for _ in range(data.draw(st.integers(0, 6))):
        where = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 200))
        content[min(where, len(content) - 1)] = data.draw(st.integers(0, 255) | st.sampled_from(list(b"0129-. \nfve")))
    if data.draw(st.booleans()):
        content = content[: int(cut * len(content))]
    path = tmp_path / f"thing.{kind.split('.')[-1]}"
    path.write_bytes(bytes(content))
    try:
        model = load_object(path)
    except InputError as error:
        assert error.what and error.why and error.remedy
        return
    assert np.isfinite(model.mesh.vertices).all() and np.isfinite(model.file_from_canonical).all()
    assert model.mesh.faces.min() >= 0 and model.mesh.faces.max() < len(model.mesh.vertices)
    assert len(model.mesh.faces) > 0


def test_the_reader_never_unpickles(tmp_path):
    path = tmp_path / "thing.obj"
    trap = BytesIO()
    np.save(trap, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    path.write_bytes(trap.getvalue())
    with pytest.raises(InputError):
        load_object(path)


def test_a_size_is_that_of_the_longest_side_and_the_way_back_to_the_file_stays():
    chair = make("chair")
    small = sized(chair, 0.3)
    extents = np.ptp(chair.mesh.vertices, axis=0)
    assert_allclose(np.ptp(small.mesh.vertices, axis=0), extents * 0.3 / extents.max(), rtol=1e-5)
    assert small.metric and not chair.metric

    def in_file(model):
        return model.mesh.vertices @ model.file_from_canonical[:3, :3].T + model.file_from_canonical[:3, 3]

    assert_allclose(in_file(small), in_file(chair), atol=1e-6)


def test_a_mesh_in_memory_becomes_the_object_its_file_would(tmp_path):
    shape = body()
    mesh = Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32))
    path = tmp_path / "chair.ply"
    path.write_bytes(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(file_type="ply"))
    for options in ({}, {"units": "cm"}, {"up": "z"}, {"category": "table"}):
        found, expected = object_of(mesh, "chair", **options), load_object(path, **options)
        assert (found.name, found.category, found.metric) == (expected.name, expected.category, expected.metric)
        assert_allclose(found.mesh.vertices, expected.mesh.vertices, atol=1e-6)
        assert_allclose(found.file_from_canonical, expected.file_from_canonical, rtol=1e-5, atol=1e-6)
    assert object_of(mesh, "Cube.001").name == "Cube.001"
    v, f = mesh.vertices, mesh.faces
    for vertices, faces in ((v, f[:0]), (v * np.nan, f), (v * 0, f), (v[:3], f), (v, f - 9)):
        with pytest.raises(InputError, match="thing"):
            object_of(Mesh(vertices, faces), "thing")
