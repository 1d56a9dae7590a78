"""The extension in a real Blender window: story.py plays it, and these read what it saw and look at its pictures.

The window needs root on Linux and a Debian with Blender, see chroot.py. LEXIS_GUI_PICTURES=1 puts the pictures that
docs/guide.md shows into docs/images, too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TOP = HERE.parents[1]
GUIDE = TOP / "docs" / "guide.md"
sys.path.insert(0, str(HERE))

import chroot  # noqa: E402
import photo_chapters  # noqa: E402

from lexis_blender.package.extension import build  # noqa: E402
from lexis_core.errors import RuntimeUnavailable  # noqa: E402


@pytest.fixture(scope="module")
def share(tmp_path_factory) -> Path:
    """What the chroot sees: the zip, the demo photo, the story, and the folder `out` for what comes of it."""
    try:
        root = chroot.find()
    except chroot.Unavailable as unavailable:
        pytest.skip(str(unavailable))
    share = tmp_path_factory.mktemp("share")
    try:  # trixie's Blender 4.3 is built against Python 3.13
        zipped = build("linux-x64", "3.13", share, blender_min="4.2.0")
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))
    for script in ("agent.py", "window.py", "drop.py", "photo_chapters.py", "story.py"):
        shutil.copy(HERE / script, share)
    shutil.copytree(TOP / "lexis_core" / "data" / "demo", share / "demo")
    (share / "out").mkdir()
    command, env = chroot.command(root, share, ["python3", "/share/story.py", f"/share/{zipped.name}", "/share/demo",
                                                "/share/out"])
    subprocess.run(command, env=env, check=False, timeout=3600)
    if os.environ.get("LEXIS_GUI_PICTURES") == "1":
        for name in (name for name in shown() if (share / "out" / name).is_file()):
            shutil.copy(share / "out" / name, TOP / "docs" / "images" / name)
    return share


@pytest.fixture(scope="module")
def told(share) -> dict:
    """The story's report."""
    return json.loads((share / "out" / "report.json").read_text(encoding="utf-8"))


def shown() -> list[str]:
    """The pictures of the window that the guide shows."""
    return re.findall(r"images/((?:panel|viewport)-[\w-]+\.png)", GUIDE.read_text(encoding="utf-8"))


def test_the_story_came_to_its_end(told):
    assert told.get("finished"), told.get("failed", "") + told.get("log", "")
    assert told["status"] == 0


def test_a_photo_dropped_onto_the_view_is_the_photo(told):
    assert told["dropped"].endswith("/camera.png") and told["added_by_drop"] == 0


def test_a_box_dragged_on_the_photo_is_the_box(told):
    whole, inside, escaped, scale = (told["box"][name] for name in ("whole", "inside", "escaped", "scale"))
    assert whole == [0, 0, 512, 512]
    assert inside == pytest.approx(photo_chapters.BOX, abs=1 / scale)  # the mouse stands on whole pixels of the screen
    assert escaped == inside


def test_a_mask_painted_in_the_image_editor_is_what_the_worker_is_asked_with(told):
    mask = told["mask"]
    assert mask["painted"] > 100 and mask["same"] and mask["asked"] == mask["painted"]
    assert mask["middle"] == pytest.approx([0.5, 0.3], abs=0.03)


def test_progress_moves_and_never_back(told):
    running = [fraction for _, state, _, fraction in told["history"] if state == "running"]
    assert len(set(running)) > 5 and all(a <= b for a, b in pairwise(running))
    assert {"observe", "body", "object", "interfield"} <= {stage for _, _, stage, _ in told["history"]}


def test_cancel_leaves_nothing(told):
    heard, idle = (round(1000 * told[name]) for name in ("heard_after", "cancelled_after"))
    print(f"Cancel: heard {heard} ms after the click, idle {idle} ms after it")
    assert told["objects_after_cancel"] == 0


def test_a_rig_with_fields_comes_and_is_looked_at_through_the_photos_camera(told):
    assert len(told["parts"]) == 4
    assert {"interfield", "distance", "contact", "InterField"} <= set(told["attributes"])
    assert told["frame"] == [512, 512]


def test_each_field_of_the_menu_has_its_own_colours(told):
    assert {shading for shading, *_ in told["fields"].values()} == {"VERTEX"}
    assert len({tuple(colours) for _, *colours in told["fields"].values()}) == len(told["fields"]) == 4


def test_what_was_painted_is_solved_for(told):
    assert told["mode"] == "OBJECT"
    assert told["painted"] > 0 and told["solved"] > 1e-3
    assert any(stage == "flow" for _, _, stage, _ in told["solving"])


def test_switched_off_in_the_middle_of_a_job_the_worker_ends(told):
    assert told["left"]["operators"] == []
    assert not told["left"]["worker"]


def test_the_guides_pictures_are_of_the_window(share):
    assert shown()
    for name in shown():
        assert (share / "out" / name).stat().st_size < 300_000
        assert (TOP / "docs" / "images" / name).is_file()
