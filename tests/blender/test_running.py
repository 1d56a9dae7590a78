"""Reconstructing from the panel's own settings with the real worker, and what may come in a job's way."""

from __future__ import annotations

import time
from pathlib import Path

import addon_utils
import bpy
import numpy as np
import pytest
from scene_reading import datablocks

from lexis_blender import api, dialog
from lexis_core.errors import InputError, RuntimeUnavailable
from lexis_core.reconstruction import load


def cube(scale=(1, 1, 1)) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cube_add(size=1)
    bpy.context.object.scale = scale
    return bpy.context.object


def test_the_demo_photo_becomes_a_scene_and_undo_takes_it_back(demo):
    from lexis_blender import runtime, snapshot

    demo.method = "AUTO"
    bpy.ops.ed.undo_push(message="before")
    before = datablocks()
    assert bpy.ops.lexis.reconstruct() == {"FINISHED"}
    made = snapshot.active_import(bpy.context)
    assert made.collection.name == "camera" and {"interfield", "predicted"} <= set(made.body.data.attributes.keys())
    kept = sorted(runtime.preferences.cache_folder().glob("camera*.lexis.npz"))
    assert load(kept[-1]).object.name == "tripod"
    assert snapshot.last.summary.endswith("s, cpu") and not runtime.busy()
    bpy.ops.ed.undo()
    assert datablocks() == before and snapshot.active_import(bpy.context) is None
    bpy.ops.ed.redo()
    assert len(snapshot.active_import(bpy.context).rig.data.bones) == 55
    assert "results deleted" in _report(bpy.ops.lexis.clear_cache)
    assert not kept[-1].exists()


def test_rounds_of_reconstruct_undo_and_delete_leave_nothing_and_one_worker(demo):
    """A few of those that benchmarks/rounds.py does a hundred of."""
    from lexis_blender import runtime, snapshot
    from lexis_blender.scene import assemble

    bpy.ops.ed.undo_push(message="empty")
    left, workers = [], set()
    for _ in range(3):
        bpy.ops.lexis.reconstruct()
        workers.add(runtime.jobs.worker.pid)
        bpy.ops.ed.undo()
        bpy.ops.ed.redo()
        assemble.remove(snapshot.active_import(bpy.context).collection)
        bpy.data.orphans_purge(do_recursive=True)
        bpy.ops.ed.undo_push(message="delete")
        left.append(datablocks())
    assert left[0] == left[1] == left[2] and len(workers) == 1


def test_what_the_worker_refuses_is_told_and_nothing_is_made(demo, tmp_path):
    (tmp_path / "photo.png").write_bytes(b"no photo")
    demo.image_path = str(tmp_path / "photo.png")
    before = datablocks()
    with pytest.raises(RuntimeError, match="cannot be read as an image"):
        bpy.ops.lexis.reconstruct()
    assert datablocks() == before


def test_the_device_test_says_what_the_worker_has(addon):
    from lexis_blender import snapshot

    bpy.ops.lexis.test_device()
    assert "cpu" in snapshot.last.worker and "ONNX Runtime" in snapshot.last.worker
    bpy.context.preferences.addons["lexis_blender"].preferences.device = "coreml"
    if "coreml" not in snapshot.last.worker:
        with pytest.raises(RuntimeError, match="coreml is not available"):
            bpy.ops.lexis.test_device()


def test_a_worker_of_another_version_is_told(addon):
    from lexis_blender.operators import device

    said = {"version": "0.0.1", "python": "3.11", "onnxruntime": "1.31.1", "devices": ["cpu"], "bundle": "default"}
    with pytest.raises(RuntimeUnavailable, match="another one"):
        device._told(said, "auto")


def test_releasing_memory_ends_the_worker(addon):
    from lexis_blender import runtime

    bpy.ops.lexis.test_device()
    process = runtime.jobs.worker._process
    bpy.ops.lexis.release_memory()
    assert process.poll() is not None and runtime.jobs.worker is None
    assert not bpy.ops.lexis.release_memory.poll()


def test_a_worker_python_that_is_none_is_told(demo, tmp_path):
    bpy.context.preferences.addons["lexis_blender"].preferences.worker_python = str(tmp_path / "python")
    with pytest.raises(RuntimeError, match="The worker has stopped"):
        bpy.ops.lexis.reconstruct()


def test_debug_info_tells_the_versions_and_not_where_home_is(addon):
    from lexis_blender.operators.device import debug_info

    text = debug_info()
    assert bpy.app.version_string in text and np.__version__ in text
    assert str(Path.home()) not in text


def _report(operator) -> str:
    """What an operator prints as its report."""
    import io
    from contextlib import redirect_stdout

    with redirect_stdout(io.StringIO()) as printed:
        operator()
    return printed.getvalue()


def long_job(ends):
    from lexis_blender.jobs import Work

    held = time.monotonic() + 60

    def prepare():
        while time.monotonic() < held:
            time.sleep(0.01)

    return Work("interfield", prepare, done=ends.append, failed=ends.append)


def test_opening_a_file_drops_the_job(addon):
    from lexis_blender import runtime

    ends = []
    runtime.jobs.start(long_job(ends))
    assert runtime.busy() and not bpy.ops.lexis.reconstruct.poll() and bpy.ops.lexis.cancel.poll()
    bpy.ops.wm.read_homefile(use_empty=True)
    assert not runtime.busy() and ends == []


def test_switching_off_drops_the_job_and_the_worker(addon):
    from lexis_blender import runtime

    ends = []
    runtime.jobs.start(long_job(ends))
    process = runtime.jobs.worker._process
    addon_utils.disable("lexis_blender", default_set=True)
    assert process.poll() is not None and not runtime.jobs.tick() and ends == []


def test_cancel_and_undo_leave_the_scene_as_it_is(addon):
    from lexis_blender import runtime

    ends = []
    bpy.ops.ed.undo_push(message="empty")
    cube()
    bpy.ops.ed.undo_push(message="cube")
    runtime.jobs.start(long_job(ends))
    bpy.ops.ed.undo()
    assert runtime.busy()
    assert not bpy.data.objects
    bpy.ops.lexis.cancel()
    assert not runtime.busy() and not bpy.ops.lexis.cancel.poll() and ends == []


def test_what_was_refined_has_no_place_when_its_scene_was_deleted_meanwhile(addon, result, small_body):
    from lexis_blender import results

    made = api.import_reconstruction(result, body=small_body)
    import_id, solved = made.id, results.Solved((result,), small_body, ("kept.lexis.npz",), 1.0, "cpu")
    bpy.data.objects.remove(made.object)
    before = datablocks()
    with pytest.raises(InputError, match="no place"):
        results.put_on(solved, import_id, bpy.context.scene.name)
    assert datablocks() == before


def test_a_result_goes_into_the_scene_it_was_asked_for(addon, result, small_body):
    from lexis_blender import results

    shown = bpy.context.scene
    other = bpy.data.scenes.new("other")
    solved = results.Solved((result,), small_body, ("kept.lexis.npz",), 1.0, "cpu")
    one = results.bring_in(solved, "one", "other")
    assert one.collection.name in other.collection.children and bpy.context.scene == shown
    assert other.view_layers[0].objects.active == one.rig and not shown.objects
    two = results.bring_in(solved, "two", "gone")
    assert two.collection.name in shown.collection.children


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT", "POSE"])
def test_a_result_that_arrives_leaves_the_artist_at_work(addon, result, small_body, mode):
    from lexis_blender import results, snapshot

    before = api.import_reconstruction(result, body=small_body)
    item = before.rig if mode == "POSE" else cube()
    bpy.ops.object.select_all(action="DESELECT")
    item.select_set(True)
    bpy.context.view_layer.objects.active = item
    name, old = item.name, before.id
    bpy.ops.object.mode_set(mode=mode)
    bpy.ops.ed.undo_push(message="at work")
    solved = results.Solved((result,), small_body, ("kept.lexis.npz",), 1.0, "cpu")
    made = results.bring_in(solved, "one", bpy.context.scene.name)
    assert item.mode == mode and bpy.context.view_layer.objects.active == item
    assert bpy.context.selected_objects == [item]
    assert snapshot.parts(made.id) is not None
    new = made.id
    bpy.ops.ed.undo()
    assert snapshot.parts(new) is None and snapshot.parts(old) is not None
    assert bpy.data.objects[name].mode == mode


@pytest.fixture
def no_override(monkeypatch):
    """With Python 3.11 operators inside temp_override crash Blender now and then while other threads run."""

    def refused(*_, **__):
        raise AssertionError("temp_override")

    monkeypatch.setattr(bpy.types.Context, "temp_override", refused)


def test_what_a_job_found_comes_in_without_overriding_the_context(addon, result, small_body, no_override):
    from lexis_blender import results

    other = bpy.data.scenes.new("other")
    solved = results.Solved((result,), small_body, ("kept.lexis.npz",), 1.0, "cpu")
    made = results.bring_in(solved, "one", "other")
    results.put_on(solved, made.id, "other")
    assert made.object.name in other.objects and len(bpy.context.scene.objects) == 0


def test_a_script_that_has_just_opened_a_file_has_no_window(addon, result, small_body):
    from lexis_blender import results

    other = bpy.data.scenes.new("other")
    solved = results.Solved((result,), small_body, ("kept.lexis.npz",), 1.0, "cpu")
    with bpy.context.temp_override(window=None):
        assert bpy.context.window is None
        made = results.bring_in(solved, "one", "other")
        dialog.show(InputError("What.", "Why.", "Remedy."))
    assert made.object.name in other.objects


def test_a_result_for_another_scene_leaves_the_layer_one_works_in(addon, result, small_body):
    from lexis_blender import results

    window, layer = bpy.context.window, bpy.context.scene.view_layers.new("mine")
    bpy.data.scenes.new("other")
    window.view_layer = layer
    item = cube()
    bpy.ops.object.mode_set(mode="EDIT")
    results.bring_in(results.Solved((result,), small_body, ("kept.lexis.npz",), 1.0, "cpu"), "one", "other")
    assert window.view_layer == layer and layer.objects.active == item and bpy.context.mode == "EDIT_MESH"


def test_a_result_waits_for_who_works_on_something_hidden(addon, result, small_body):
    from lexis_blender import results

    item = cube()
    bpy.ops.object.mode_set(mode="SCULPT")
    item.hide_viewport = True
    solved = results.Solved((result,), small_body, ("kept.lexis.npz",), 1.0, "cpu")
    with pytest.raises(InputError, match=r"Cube.*import kept\.lexis\.npz"):
        results.bring_in(solved, "one", bpy.context.scene.name)
    item.hide_viewport = False
    assert results.bring_in(solved, "one", bpy.context.scene.name) and item.mode == "SCULPT"
