"""The add-on in Blender: it comes and goes without a trace, finds its imports again, and helps with errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import addon_utils
import bpy
import pytest
from extension_story import timers, traces

from lexis_blender import api, registration
from lexis_core.errors import BundleError, InputError, OutOfMemory, RuntimeUnavailable
from lexis_core.objects.library import CATEGORIES

ROOT = Path(__file__).parents[2]
HEAVY = {"numpy", "onnxruntime", "igl", "cv2", "scipy", "trimesh", "PIL", "torch", "lexis_core.pipeline",
         "lexis_core.interfield", "lexis_core.body", "lexis_core.objects", "lexis_core.reconstruction"}


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
