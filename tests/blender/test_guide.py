"""The examples of docs/blender.md run, in the order they are read, and do what the text says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import bpy
from made_up_results import made_up_result

from lexis_blender import api
from lexis_blender.scene import facts

ROOT = Path(__file__).parents[2]
GUIDE, DEMO = ROOT / "docs" / "blender.md", ROOT / "lexis_core" / "data" / "demo"


def test_the_guides_examples_run(default_body, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made_up_result(default_body, 2).save("result.lexis.npz")
    for name, own in (("camera", "photo"), ("person_mask", "person"), ("tripod_mask", "tripod")):
        shutil.copy(DEMO / f"{name}.png", f"{own}.png")
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    names: dict = {}
    for example in examples:
        exec(compile(example, str(GUIDE), "exec"), names)
    assert {"scene.blend", "scene.glb", "edited.lexis.npz", "snapped.lexis.npz"} <= {p.name for p in tmp_path.iterdir()}
    said = capsys.readouterr().out
    assert f"has {len(default_body.template)} body vertices" in said and "from a photo: photo" in said


def test_the_guide_names_what_an_import_holds(default_body):
    text = GUIDE.read_text("utf-8")
    made = api.import_reconstruction(made_up_result(default_body, 2), body=default_body)
    for attribute in ("interfield", "distance", "contact", "inside", "InterField"):
        assert f"`{attribute}`" in text and attribute in made.body.data.attributes
    for collection in made.rig.data.collections:
        assert collection.name in text
    assert made.body.data.materials[0].name in text



def test_the_guide_names_every_operator_and_field(addon):
    text = GUIDE.read_text("utf-8")
    for name in ("reconstruct", "refine", "solve_painted", "import_result", "export_result", "show_field", "measure",
                 "next_hypothesis", "camera_view", "snap_object", "bake_keyframe", "pin_bones", "paint_field",
                 "paint_apply", "paint_discard", "paint_reset"):
        assert f"`lexis.{name}`" in text and getattr(bpy.ops.lexis, name).get_rna_type()
    for kind in facts.KINDS:
        assert f"`{kind}`" in text
