"""The examples of docs/blender.md run, in the order they are read, and do what the text says."""

from __future__ import annotations

import re
from pathlib import Path

from made_up_results import made_up_result

from lexis_blender import api

GUIDE = Path(__file__).parents[2] / "docs" / "blender.md"


def test_the_guides_examples_run(default_body, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made_up_result(default_body, 2).save("result.lexis.npz")
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    names: dict = {}
    for example in examples:
        exec(compile(example, str(GUIDE), "exec"), names)
    assert {"scene.blend", "scene.glb"} <= {p.name for p in tmp_path.iterdir()}
    assert f"has {len(default_body.template)} body vertices" in capsys.readouterr().out


def test_the_guide_names_what_an_import_holds(default_body):
    text = GUIDE.read_text("utf-8")
    made = api.import_reconstruction(made_up_result(default_body, 2), body=default_body)
    for attribute in ("interfield", "distance", "contact", "InterField"):
        assert f"`{attribute}`" in text and attribute in made.body.data.attributes
    for collection in made.rig.data.collections:
        assert collection.name in text
    assert made.body.data.materials[0].name in text

