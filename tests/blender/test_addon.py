"""The add-on in Blender: it comes and goes without a trace, and its operators work from Python as from the panel."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import addon_utils
import bpy
import numpy as np
import pytest
from extension_story import timers, traces
from numpy.testing import assert_allclose
from scene_reading import datablocks, evaluated_vertices

from lexis_blender import api, registration
from lexis_core.errors import BundleError, InputError, OutOfMemory, RuntimeUnavailable
from lexis_core.objects.library import CATEGORIES
from lexis_core.observe import read_mask
from lexis_core.reconstruction import load
from lexis_core.runtime.sampler import Weights

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "lexis_core" / "data" / "demo"
HEAVY = {"numpy", "onnxruntime", "igl", "cv2", "scipy", "trimesh", "PIL", "torch", "lexis_core.pipeline",
         "lexis_core.interfield", "lexis_core.body", "lexis_core.objects", "lexis_core.reconstruction"}


@pytest.fixture
def settings(addon):
    return bpy.context.scene.lexis


@pytest.fixture
def demo(settings):
    """The photo, masks and object of the demo, by the quick method."""
    settings.image_path = str(DEMO / "camera.png")
    settings.person_source, settings.person_mask_path = "FILE", str(DEMO / "person_mask.png")
    settings.object_source, settings.object_mask_path = "FILE", str(DEMO / "tripod_mask.png")
    settings.object_kind, settings.object_name = "LIBRARY", "tripod"
    settings.method = "ESTIMATE"
    return settings


def cube(scale=(1, 1, 1)) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cube_add(size=1)
    bpy.context.object.scale = scale
    return bpy.context.object


# Coming and going


def test_switching_on_and_off_leaves_nothing(empty_file):
    before = traces()
    for _ in range(2):
        addon_utils.enable("lexis_blender", default_set=True)
        assert traces() != before
        addon_utils.disable("lexis_blender", default_set=True)
        assert traces() == before and timers() == []


def test_a_class_blender_refuses_leaves_nothing(empty_file, monkeypatch):
    class Broken:
        CLASSES = (type("LEXIS_OT_broken", (bpy.types.Operator,), {"bl_idname": "no dot", "bl_label": ""}),)

    before = traces()
    monkeypatch.setattr(registration, "MODULES", (*registration.MODULES, Broken))
    with pytest.raises((RuntimeError, ValueError)):
        registration.register()
    assert traces() == before


def test_one_part_that_cannot_go_does_not_keep_the_others(empty_file, monkeypatch):
    class Stuck:
        CLASSES = ()

        @staticmethod
        def unregister():
            raise OSError("stuck")

    before = traces()
    monkeypatch.setattr(registration, "MODULES", (*registration.MODULES, Stuck))
    registration.register()
    registration.unregister()
    assert traces() == before


def test_switching_on_imports_nothing_heavy():
    script = ("import bpy, sys\nimport addon_utils\nbefore = set(sys.modules)\naddon_utils.enable('lexis_blender')\n"
              "print(' '.join(set(sys.modules) - before))")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = done.stdout.splitlines()[-1].split()
    assert "lexis_blender.registration" in imported and HEAVY.isdisjoint(imported)


def test_the_listed_names_are_the_librarys(settings):
    assert settings.bl_rna.properties["object_name"].enum_items.keys() == list(CATEGORIES)


# Settings


def test_presets_are_the_settings_they_stand_for(settings):
    assert settings.preset == "BALANCED"
    settings.preset = "BEST"
    assert (settings.steps, settings.hypotheses, settings.method) == (50, 4, "AUTO")
    settings.steps = 33
    assert settings.preset == "CUSTOM"
    settings.preset = "FAST"
    assert settings.preset == "FAST" and settings.hypotheses == 1


def test_the_librarys_parameters_go_to_the_worker_as_it_takes_them(settings):
    from lexis_blender import request

    settings.object_kind, settings.object_name = "LIBRARY", "chair"
    bpy.ops.lexis.object_parameters()
    assert request.parameters(settings.object_parameters) == pytest.approx(CATEGORIES["chair"].defaults)
    settings.object_parameters["back"].word = "panel"
    given = request.parameters(settings.object_parameters)
    assert given["back"] == "panel" and CATEGORIES["chair"].checked(given).keys() == given.keys()
    settings.object_name = "cup"
    assert not settings.object_parameters


def test_factors_become_weights(settings):
    from lexis_blender import request

    assert "weights" not in request.weighed(request.solver_options(settings))
    settings.weight_mask = 2.0
    usual = Weights()
    assert request.weighed(request.solver_options(settings))["weights"] == {
        "field": usual.field, "mask": 2 * usual.mask, "landmarks": usual.landmarks, "inside": usual.inside}


def test_the_scenes_settings_are_saved(settings, tmp_path):
    settings.object_kind, settings.steps, settings.person_box = "LIBRARY", 31, (1, 2, 30, 40)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    settings.steps = 2
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    again = bpy.context.scene.lexis
    assert (again.object_kind, again.steps, tuple(again.person_box)) == ("LIBRARY", 31, (1, 2, 30, 40))


# What is asked of the worker


def asked(settings):
    from lexis_blender import request

    return request.reconstruct(bpy.context)()


def test_files_are_named_and_boxes_are_numbers(demo):
    demo.object_source, demo.object_box, demo.focal = "BOX", (10, 20, 100, 200), 900
    options, arrays = asked(demo)
    assert arrays == {}
    assert options["image"] == demo.image_path and options["person_mask"] == demo.person_mask_path
    assert options["object_box"] == [10, 20, 100, 200] and options["focal"] == 900 and "box" not in options
    assert (options["object"], options["method"], options["device"]) == ("tripod", "estimate", "auto")


def test_painted_images_come_upright_and_as_bytes(demo):
    photo = bpy.data.images.new("photo", 6, 4)
    mask = bpy.data.images.new("mask", 6, 4)
    rows = np.random.default_rng(3).integers(0, 256, (4, 6, 3), np.uint8)
    inside = np.zeros((4, 6), bool)
    inside[0, 2:4] = True  # the uppermost row

    def paint(image, values):
        rgba = np.ones((4, 6, 4), np.float32)
        rgba[..., :3] = values[::-1]
        image.pixels.foreach_set(rgba.ravel())

    paint(photo, rows / 255)
    paint(mask, np.repeat(inside[..., None], 3, 2))
    demo.image_source, demo.image = "IMAGE", photo
    demo.object_source, demo.object_mask_image = "IMAGE", mask
    options, arrays = asked(demo)
    assert "image" not in options and (arrays["image"] == rows).all()
    assert ((arrays["object_mask"] > 127) == inside).all()


def test_a_new_mask_shows_the_photo_and_is_inside_where_it_is_painted_white(demo):
    bpy.ops.lexis.new_mask(surface="OBJECT")
    image = demo.object_mask_image
    assert demo.object_source == "IMAGE" and image.packed_file
    height, width = image.size[1], image.size[0]
    rgba = np.empty((height, width, 4), np.float32)
    image.pixels.foreach_get(rgba.ravel())
    assert rgba[..., :3].std() > 0.05 and rgba[..., :3].max() < 0.5
    rgba[-20:-10, 5:15] = 1  # 10 to 20 pixels from the top
    image.pixels.foreach_set(rgba.ravel())
    inside = read_mask(asked(demo)[1]["object_mask"], width, height, "the mask")
    assert inside[10:20, 5:15].all() and inside.sum() == 100


def test_an_image_as_it_is_on_disk_is_read_from_there_and_a_packed_one_keeps_its_bytes(demo):
    image = bpy.data.images.load(str(DEMO / "camera.png"))
    demo.image_source, demo.image = "IMAGE", image
    assert asked(demo)[0]["image"] == str(DEMO / "camera.png")
    image.pack()
    path = asked(demo)[0]["image"]
    assert path != str(DEMO / "camera.png") and Path(path).read_bytes() == (DEMO / "camera.png").read_bytes()


def test_the_active_mesh_comes_as_it_is_seen_in_metres(demo):
    item = cube((0.5, 1.0, 2.0))
    item.location, item.rotation_euler = (3, 4, 5), (0.3, 0.2, 0.1)
    item.modifiers.new("two", "ARRAY").count = 2
    demo.object_kind, demo.object_size = "ACTIVE", 0.75
    bpy.context.scene.unit_settings.scale_length = 0.1
    options, arrays = asked(demo)
    vertices, faces = arrays["object_vertices"], arrays["object_faces"]
    turn = np.array(item.matrix_world.to_3x3().normalized())
    assert_allclose(vertices @ turn.T / 0.1 + np.array(item.location), evaluated_vertices(item), atol=1e-5)
    assert faces.shape == (24, 3) and faces.dtype == np.int32
    assert (options["object_up"], options["object_units"], options["object_size"]) == ("z", "m", 0.75)


@pytest.mark.parametrize(("change", "said"), [
    ({"image_path": ""}, "There is no photo"),
    ({"image_path": "/nowhere/photo.png"}, "There is no photo"),
    ({"image_source": "IMAGE"}, "There is no photo"),
    ({"person_source": "BOX"}, "There is no box around the person"),
    ({"object_mask_path": "/nowhere/mask.png"}, "There is no object mask"),
    ({"object_source": "IMAGE"}, "There is no object mask"),
    ({"object_kind": "ACTIVE"}, "There is no object"),
    ({"object_kind": "FILE"}, "There is no object"),
])
def test_what_is_missing_is_told_in_three_lines(demo, change, said):
    for name, value in change.items():
        setattr(demo, name, value)
    before = datablocks()
    with pytest.raises(RuntimeError, match=said) as error:
        bpy.ops.lexis.reconstruct()
    assert len(str(error.value).strip().splitlines()) == 3
    assert datablocks() == before


def test_a_body_or_an_empty_is_no_object(demo, result, small_body):
    demo.object_kind = "ACTIVE"
    made = api.import_reconstruction(result, body=small_body)
    demo.object_mesh = made.body
    with pytest.raises(RuntimeError, match="The body cannot be the object"):
        bpy.ops.lexis.reconstruct()
    demo.object_mesh = None
    with pytest.raises(RuntimeError, match="There is no object"):  # the rig is active
        bpy.ops.lexis.reconstruct()


def test_a_deleted_object_is_forgotten(demo):
    demo.object_kind, demo.object_mesh = "ACTIVE", cube()
    bpy.data.objects.remove(demo.object_mesh)
    assert demo.object_mesh is None
    with pytest.raises(RuntimeError, match="There is no object"):
        bpy.ops.lexis.reconstruct()


# Running


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


# Jobs that are in the way


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


# The snapshot and the dialog


def test_the_active_import_is_found_again_after_renaming_undo_and_deleting(addon, result, small_body):
    from lexis_blender import snapshot

    assert snapshot.active_import(bpy.context) is None
    first = api.import_reconstruction(result, body=small_body).id
    second = api.import_reconstruction(result, body=small_body).id
    assert snapshot.active_id(bpy.context) == second
    bpy.context.view_layer.objects.active = snapshot.parts(first).body
    assert snapshot.active_id(bpy.context) == first
    bpy.context.view_layer.objects.active = None
    assert snapshot.active_id(bpy.context) == second  # the newest
    snapshot.parts(first).body.name = "renamed"
    assert snapshot.parts(first).body.name == "renamed"
    bpy.ops.ed.undo_push(message="imported")
    bpy.data.objects.remove(snapshot.parts(first).body)
    bpy.ops.ed.undo_push(message="deleted")
    assert snapshot.parts(first) is None
    bpy.ops.ed.undo()
    assert snapshot.parts(first).body.name == "renamed"
    assert snapshot.parts(second).camera.type == "CAMERA"


@pytest.mark.parametrize(("error", "fix"), [
    (OutOfMemory("The model did not fit into memory.", "The cuda device has too little left.", "Close."), "CPU"),
    (RuntimeUnavailable("The device cuda is not available.", "It is not.", "Install."), "CPU"),
    (BundleError("The model bundle cannot be used.", "It lacks a file.", "Install LEXIS again."), "PREFERENCES"),
    (InputError("Nobody was found in the photo.", "No.", "Give a box."), "PERSON_BOX"),
    (InputError("The object mask is empty.", "No pixel of it is white.", "Give."), "OBJECT_BOX"),
    (InputError("There is no photo.", "No file is chosen.", "Choose one."), "NONE"),
])
def test_an_error_has_the_button_that_helps(addon, error, fix):
    from lexis_blender import dialog

    assert dialog.fix_for(error) == fix


def test_the_button_for_the_cpu_chooses_it(settings):
    settings.device = "cuda"
    bpy.ops.lexis.fix(kind="CPU")
    assert settings.device == "cpu"


