"""Scripts do what the panel does: reconstruct, refine, paint, export, and work through folders of results."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest
from made_up_results import made_up_result
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scene_reading import datablocks, evaluated_vertices, in_world

from lexis_blender import api, batch, snapshot
from lexis_blender.scene import attributes, facts
from lexis_core.body.model import pose
from lexis_core.errors import InputError
from lexis_core.interfield import distance
from lexis_core.mesh import Mesh
from lexis_core.objects.library import make
from lexis_core.reconstruction import load
from lexis_core.runtime.bundle import default_bundle
from lexis_core.state import BodyState, ObjectState

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "lexis_core" / "data" / "demo"
solves = pytest.mark.skipif("guide" not in default_bundle().models, reason="the bundle has no guidance network")


@pytest.fixture
def file(result, tmp_path):
    result.save(tmp_path / "man.lexis.npz")
    return tmp_path / "man.lexis.npz"


def import_file(*paths, **options):
    """File > Import, as from its dialog."""
    return bpy.ops.lexis.import_result(
        directory=str(paths[0].parent), files=[{"name": path.name} for path in paths], **options)


def test_several_files_are_imported_selected_in_one_step(addon, default_body, tmp_path):
    paths = [tmp_path / f"{name}.lexis.npz" for name in ("one", "two")]
    for seed, path in enumerate(paths):
        made_up_result(default_body, seed).save(path)
    bpy.ops.ed.undo_push(message="before")
    before = datablocks()
    assert import_file(*paths) == {"FINISHED"}
    bpy.ops.ed.undo_push(message="import")
    assert [c.name for c in bpy.context.scene.collection.children] == ["one", "two"]
    assert len(bpy.context.selected_objects) == 8
    assert bpy.context.view_layer.objects.active.name == "two rig"
    bpy.ops.ed.undo()
    assert datablocks() == before


def test_one_bad_file_among_good_ones_is_a_warning(addon, default_body, tmp_path, capfd):
    good, bad = tmp_path / "good.lexis.npz", tmp_path / "bad.lexis.npz"
    made_up_result(default_body).save(good)
    bad.write_bytes(b"no result")
    assert import_file(bad, good) == {"FINISHED"}
    assert len(bpy.context.scene.collection.children) == 1
    assert "is not a LEXIS result" in capfd.readouterr().out
    with pytest.raises(RuntimeError, match="is not a LEXIS result") as error:
        import_file(bad)
    assert len(str(error.value).strip().splitlines()) == 3


def test_importing_nothing_or_with_an_unknown_body_is_told(addon, file):
    with pytest.raises(RuntimeError, match="No file is chosen"):
        bpy.ops.lexis.import_result()
    from lexis_blender import bodies

    bodies.forget()
    with pytest.raises(RuntimeError, match='The body "made-up" is not at hand'):
        import_file(file)


def test_import_and_export_are_the_same_file(addon, default_body, tmp_path):
    path = tmp_path / "man.lexis.npz"
    made_up_result(default_body, 3).save(path)
    bpy.ops.lexis.import_result(filepath=str(path))
    assert bpy.ops.lexis.export_result(filepath=str(tmp_path / "again")) == {"FINISHED"}
    first, again = (np.load(tmp_path / f"{name}.lexis.npz") for name in ("man", "again"))
    assert set(first.files) == set(again.files)
    for name in first.files:
        assert_array_equal(first[name], again[name], err_msg=name)


def test_an_export_holds_what_was_posed_and_placed(addon, result, small_body, tmp_path):
    made = api.import_reconstruction(result, body=small_body)
    made.rig.pose.bones["left_elbow"].rotation_quaternion = (1, 0, 0, 0)
    made.object.location.y += 0.3
    bpy.ops.lexis.export_result(filepath=str(tmp_path / "edited.lexis.npz"))
    edited = load(tmp_path / "edited.lexis.npz")
    assert edited.info["edited"]
    assert_allclose(in_world(pose(small_body, edited.state.body).vertices), evaluated_vertices(made.body), atol=1e-4)
    stood = edited.object_mesh()
    body = Mesh(pose(small_body, edited.state.body).vertices, small_body.faces)
    assert_allclose(edited.field.object_distance, distance(stood.vertices, body), atol=1e-6)


def test_the_menus_have_the_entries_once_and_lose_them(empty_file):
    import addon_utils

    def entries():
        return [sum(f.__module__.startswith("lexis_blender") for f in getattr(menu.draw, "_draw_funcs", []))
                for menu in (bpy.types.TOPBAR_MT_file_import, bpy.types.TOPBAR_MT_file_export)]

    assert entries() == [0, 0]
    for _ in range(2):
        addon_utils.enable("lexis_blender", default_set=True)
        assert entries() == [1, 1]
        addon_utils.disable("lexis_blender", default_set=True)
        assert entries() == [0, 0]


@pytest.fixture(scope="module")
def estimated():
    """The demo's arguments, by what is quickest: the estimate, with the object where a tripod usually is."""
    return {"image": DEMO / "camera.png", "object": "tripod", "person_mask": DEMO / "person_mask.png",
            "method": "estimate"}


def test_a_photo_becomes_an_import(estimated):
    seen = []
    made = api.estimate(**estimated, progress=lambda stage, fraction: seen.append((stage, fraction)))
    assert made.collection.name == "camera" and facts.count(made.collection) == 1
    assert seen[-1][1] == 1.0 and "body" in {stage for stage, _ in seen}
    assert api.read_back(made).object.name == "tripod"


def test_an_object_of_the_scene_is_what_is_reconstructed(estimated):
    model = make("tripod")
    mesh = bpy.data.meshes.new("mine")
    x, y, z = model.mesh.vertices.T
    mesh.from_pydata(np.stack([x, -z, y], 1).tolist(), [], model.mesh.faces.tolist())
    item = bpy.data.objects.new("mine", mesh)
    bpy.context.scene.collection.objects.link(item)
    made = api.estimate(**{**estimated, "object": item}, options=api.ImportOptions(name="him"))
    again = api.read_back(made).object
    assert again.name == "mine" and made.collection.name == "him"
    assert_allclose(np.ptp(again.mesh.vertices, axis=0), np.ptp(model.mesh.vertices, axis=0), atol=1e-5)


def test_fields_are_read_and_written(result, small_body):
    made = api.import_reconstruction(result, body=small_body)
    there = api.read_fields(made)
    assert set(there) == {"interfield", "distance", "contact", "inside"}
    assert_array_equal(there["distance"][1], result.field.object_distance)
    wanted = result.field.body * 0.5, result.field.object
    api.write_fields(made, "painted", *wanted)
    for written, values in zip(api.read_fields(made)["painted"], wanted, strict=True):
        assert_array_equal(written, values)
    api.show_field(made, "painted")
    assert facts.kind(made.collection) == "painted"


@pytest.mark.parametrize(("name", "change", "why"), [
    ("distance", lambda f: f, "It is measured"), ("painted", lambda f: f[1:], "vertices, and"),
    ("painted", lambda f: f * np.nan, "lies between 0 and 1"), ("painted", lambda f: f + 1, "lies between 0 and 1"),
])
def test_a_field_that_does_not_fit_is_refused(result, small_body, name, change, why):
    made = api.import_reconstruction(result, body=small_body)
    with pytest.raises(InputError, match=why):
        api.write_fields(made, name, change(result.field.body), result.field.object)
    assert "painted" not in made.body.data.attributes


def test_measuring_from_a_script(result, small_body):
    made = api.import_reconstruction(result, body=small_body)
    made.object.location.z += 1
    api.measure(made)
    assert api.read_fields(made)["distance"][1].mean() > result.field.object_distance.mean() + 0.3


def before_a_cup(body):
    """A person standing with the arms down, and a cup 25 cm from the left palm."""
    down = np.zeros((21, 3), np.float32)
    down[15, 2], down[16, 2] = -1.2, 1.2
    state = BodyState(body_pose=down, rotation=np.diag([1, -1, -1]).astype(np.float32),
                      translation=np.array([0, 0.3, 3], np.float32))
    posed = pose(body, state)
    cup = make("cup")
    placed = ObjectState(np.diag([1, -1, -1]).astype(np.float32),
                         (posed.joints[28] + np.array([0.2, 0.05, -0.15])).astype(np.float32), 1.0)
    return replace(made_up_result(body, state=state, item=cup), state=replace(made_up_result(body, state=state).state,
                                                                              object=placed))


@solves
@pytest.mark.parametrize("by", ["api", "operator"])
def test_a_painted_palm_and_handle_meet(addon, default_body, by):
    result = before_a_cup(default_body)
    made = api.import_reconstruction(result, body=default_body)
    api.measure(made)
    fields = api.read_fields(made)["interfield"]
    seen, cup = evaluated_vertices(made.body), evaluated_vertices(made.object)
    bones = made.rig.pose.bones
    wrist, middle = (np.array(made.rig.matrix_world @ bones[name].head) for name in ("left_wrist", "left_middle1"))
    palm = np.linalg.norm(seen - (wrist + middle) / 2, axis=1) < 0.05
    side = cup[:, 0] < np.median(cup[:, 0])
    painted = [np.where(chosen, np.float32(1), field) for chosen, field in zip((palm, side), fields, strict=True)]
    api.write_fields(made, "painted", *painted)
    bpy.ops.ed.undo_push(message="painted")
    if by == "api":
        api.refine(made, painted=True)
    else:
        assert bpy.ops.lexis.solve_painted() == {"FINISHED"}
    after, cup = evaluated_vertices(made.body), evaluated_vertices(made.object)
    gap = distance(after[palm], Mesh(cup, result.object.mesh.faces))
    assert gap.mean() < 0.02
    far = attributes.read(made.body.data, "painted") < 0.5
    left = [g.index for g in made.body.vertex_groups if g.name.startswith("left")]
    arm = np.array([sum(e.weight for e in v.groups if e.group in left) > 0.1 for v in made.body.data.vertices])
    moved = np.linalg.norm(after - seen, axis=1)
    assert moved[far & ~arm].max() < 0.05
    assert facts.count(made.collection) == 2 and facts.hypothesis(made.collection) == 1
    if by == "operator":
        bpy.ops.ed.undo()
        assert_allclose(evaluated_vertices(snapshot.active_import(bpy.context).body), seen, atol=1e-6)


def test_refining_without_paint_is_told(result, small_body):
    made = api.import_reconstruction(result, body=small_body)
    with pytest.raises(InputError, match="There is no painted field"):
        api.refine(made, painted=True)


@pytest.fixture
def folder(default_body, tmp_path):
    for number, name in enumerate(("first", "deeper/second")):
        path = tmp_path / "results" / f"{name}.lexis.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        made_up_result(default_body, number).save(path)
    return tmp_path / "results"


def test_a_folder_of_results_becomes_scenes_and_goes_on_where_it_stopped(folder, tmp_path, capfd):
    (folder / "damaged.lexis.npz").write_bytes(b"no result")
    out = tmp_path / "scenes"
    asked = [str(folder), "--out", str(out), "--frames", "3", "--size", "48"]
    assert batch.main(asked) == 1
    said = capfd.readouterr().out.splitlines()
    assert len(said) == 4 and said[-1] == "2 of 3 done" and "is not a LEXIS result" in said[0]
    made = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert made == {f"{name}.{kind}" for name in ("first", "deeper/second") for kind in ("blend", "glb", "gif")}
    turn = Image.open(out / "first.gif")
    assert (turn.n_frames, turn.size) == (3, (48, 48))
    written = (out / "first.blend").stat().st_mtime_ns
    (out / "deeper" / "second.glb").unlink()
    (folder / "damaged.lexis.npz").unlink()
    assert batch.main(asked) == 0
    said = capfd.readouterr().out.splitlines()
    assert said[0].startswith("deeper/second.lexis.npz: glb in") and said[1] == "first.lexis.npz: is there"
    assert (out / "first.blend").stat().st_mtime_ns == written


def test_the_batch_runs_as_a_script_of_its_own(folder, tmp_path):
    done = subprocess.run([sys.executable, "-m", "lexis_blender.batch", str(folder / "deeper"), "--out", str(tmp_path),
                           "--no-glb", "--no-turntable"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "1 of 1 done" in done.stdout and (tmp_path / "second.blend").is_file()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "second.blend"))
    found = snapshot.active_import(bpy.context)
    assert found.collection.name == "second" and api.read_back(found).info == {"seed": 1}


def test_an_empty_folder_is_told(tmp_path, capsys):
    assert batch.main([str(tmp_path), "--out", str(tmp_path)]) == 1
    assert "There is no *.lexis.npz" in capsys.readouterr().err
