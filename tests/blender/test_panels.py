"""Every panel draws in every state, with what this Blender's layouts have, and no text is wider than the sidebar."""

from __future__ import annotations

import time

import bpy
import pytest
from checking_layout import Layout, draw, labels

from lexis_blender import api, registration
from lexis_blender.dialog import FIXES, LEXIS_OT_show_error
from lexis_blender.panels.reconstruct import STAGES
from lexis_blender.properties import LIBRARY


def panels():
    return [cls for module in registration.MODULES for cls in module.CLASSES if issubclass(cls, bpy.types.Panel)]


def draw_all() -> str:
    """Draw what Blender would show now; all texts."""
    shown = [cls for cls in panels() if not hasattr(cls, "poll") or cls.poll(bpy.context)]
    return "\n".join(labels(draw(cls, bpy.context)) for cls in shown)


def test_the_tab_has_five_steps_in_the_order_of_work(addon):
    steps = [cls.bl_label for cls in panels() if not getattr(cls, "bl_parent_id", "")]
    assert steps == ["Image", "Object", "Reconstruct", "Result", "Edit"]
    assert all((cls.bl_category, cls.bl_space_type, cls.bl_region_type) == ("LEXIS", "VIEW_3D", "UI")
               for cls in panels())


@pytest.mark.parametrize("name", ["image_source", "person_source", "object_source", "object_kind"])
def test_panels_draw_for_every_choice(settings, name):
    for choice in list(settings.bl_rna.properties[name].enum_items.keys()):
        setattr(settings, name, choice)
        draw_all()


def test_panels_draw_for_every_thing_of_the_library(settings):
    settings.object_kind = "LIBRARY"
    for name in LIBRARY:
        settings.object_name = name
        bpy.ops.lexis.object_parameters()
        draw_all()


def test_panels_draw_with_a_result_whatever_is_active(settings, result, small_body):
    made = api.import_reconstruction(result, body=small_body)
    for part in (made.rig, made.body, made.object, made.camera, None):
        bpy.context.view_layer.objects.active = part
        draw_all()
    bpy.data.objects.remove(made.object)
    draw_all()


def test_a_job_shows_its_stage_its_share_and_cancel(settings, monkeypatch):
    from lexis_blender import runtime

    for state in ("starting", "running", "cancelling"):
        monkeypatch.setattr(runtime.jobs, "state", state)
        monkeypatch.setattr(runtime.jobs, "started", time.monotonic() - 5)
        monkeypatch.setattr(runtime.jobs, "fraction", 0.42)
        for stage in STAGES:
            monkeypatch.setattr(runtime.jobs, "stage", stage)
            said = draw_all()
            assert "42 %, 5 s" in said
            assert ("Stopping" if state == "cancelling" else STAGES[stage]) in said


def test_the_line_after_a_job_is_shown(settings):
    from lexis_blender import snapshot

    snapshot.last.summary = "2.1 s, cpu"
    assert "2.1 s, cpu" in draw_all()


def test_what_a_job_assumed_is_shown_in_an_artists_words(settings):
    from lexis_blender import results, snapshot

    notes = ("The focal length is not known; 900 pixels was assumed (--focal sets it).",
             "The object's place is a guess, where a chair usually is: give --object-mask or --object-box.")
    snapshot.last.notes = tuple(line for note in notes for line in results._lines(note))
    said = draw_all()
    assert "900 pixels was assumed" in said.replace("\n  ", " ") and "--" not in said


def test_the_preferences_draw(addon):
    from types import SimpleNamespace

    from lexis_blender import preferences, snapshot

    chosen = bpy.context.preferences.addons["lexis_blender"].preferences
    for path in ("", "/nowhere/SMPLX_NEUTRAL.npz"):
        chosen.body_path = path
        snapshot.last.worker = "Python 3.11.7, ONNX Runtime 1.31.1: cpu"
        host = SimpleNamespace(layout=Layout(wide=True), bl_rna=chosen.bl_rna, body_path=path)
        preferences.LexisPreferences.draw(host, bpy.context)
    assert "no such file" in labels(host.layout.said)


@pytest.mark.parametrize("fix", FIXES)
def test_the_error_dialog_says_what_why_and_what_to_do(addon, fix):
    from types import SimpleNamespace

    host = SimpleNamespace(layout=Layout(wide=True), what="It failed.", why="Because " + "of this and that " * 12,
                           remedy="Do something else.", fix=fix)
    LEXIS_OT_show_error.draw(host, bpy.context)
    said = labels(host.layout.said)
    assert said.startswith("It failed.\nBecause of this") and "Do something else." in said
    assert said.endswith(FIXES[fix] or "Close")
