"""An artist's first half hour, in a real window: run inside the chroot by test_window.py, which reads the report.

python3 story.py ZIP DEMO_FOLDER OUT_FOLDER
"""

from __future__ import annotations

import json
import re
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import photo_chapters
from window import Window

SIZE = (1280, 1300)
ADD_ON = "bl_ext.user_default.lexis_blender"
PANELS = {  # of each: its buttons, and how many pixels it goes on above and below them
    "photo": (r"lexis\.(image|person|focal|object_source|object_mask)", 45, 18),
    "object": (r"lexis\.object_(kind|name|size|parameters)", 45, 18),
    "reconstruct": (r"lexis\.(preset|reconstruct|refine)", 45, 108),
    "fields": (r"lexis\.(next_hypothesis|measure|contact_threshold|overlay_opacity|camera_view)", 75, 18),
    "edit": (r"lexis\.(paint_|solve|snap|bake|pin_)", 45, 18),
}
TABS, TOOLS = 28, 60  # pixels at the sidebar's right, and at the view's left
LIMIT = 600  # seconds a job may take on a slow machine


class Story:
    """What happened, step by step; written to report.json after each, so that a failure tells how far it came."""

    def __init__(self, window: Window, demo: Path, out: Path):
        self.window, self.demo, self.out = window, demo, out
        self.told: dict[str, Any] = {}
        self._began, self._places = time.monotonic(), {}

    def tell(self, **facts: Any) -> None:
        self.told.update(facts)
        print(f"{time.monotonic() - self._began:6.1f} s", facts, flush=True)
        (self.out / "report.json").write_text(json.dumps(self.told), encoding="utf-8")

    def picture(self, name: str, panel: bool = True) -> None:
        """The middle of the view, and the sidebar."""
        self.window.pointer("mousemove", 5, self.window.size[1] - 5)  # else a button is lit
        self.window.settle()
        left, top, _, height = sidebar = self.window.sidebar()
        self.window.picture(self.out / f"viewport-{name}.png", [TOOLS, top + 80, left - TOOLS, height - 150])
        if panel:
            self.window.picture(self.out / f"panel-{name}.png", sidebar)

    def press(self, operator: str) -> float:
        """Click the button of an operator; when."""
        return self.window.click(*self.find(operator))

    def find(self, operator: str, near: tuple[int, int] | None = None) -> tuple[int, int]:
        """Where an operator's button is, looked for around where it or a neighbour was before."""
        place = self.window.find(rf"bpy\.ops\.{re.escape(operator)}\(", near or self._places.get(operator))
        self._places[operator] = place
        return place

    def panels(self) -> None:
        """A picture of each panel: from its first button to its last."""
        left, _, width, _ = self.window.sidebar()
        heights: dict[str, list[int]] = {}
        for text, place in self.window.buttons().items():
            if operator := re.match(r"bpy\.ops\.([\w.]+)\(", text):
                self._places[operator[1]] = place
            for panel, (pattern, *_) in PANELS.items():
                if re.search(pattern, text):
                    heights.setdefault(panel, []).append(place[1])
        for panel, found in heights.items():
            _, above, below = PANELS[panel]
            crop = [left, min(found) - above, width - TABS, max(found) - min(found) + above + below]
            self.window.picture(self.out / f"panel-{panel}.png", crop)
        self.tell(panels=sorted(heights))

    def set(self, **settings: Any) -> None:
        """Change settings of the tab."""
        self.window.run("".join(f"bpy.context.scene.lexis.{name} = {value!r}\n" for name, value in settings.items()))


def install(story: Story, zipped: Path) -> None:
    window = story.window
    window.run(f"""
import sys, time
began = time.perf_counter()
bpy.ops.extensions.package_install_files(repo="user_default", filepath={str(zipped)!r}, enable_on_install=True)
result = time.perf_counter() - began
def jobs():
    return sys.modules[{ADD_ON!r} + ".runtime"].jobs
def lexis(name):
    return sys.modules[{ADD_ON!r} + "." + name]
def made():
    return sys.modules[{ADD_ON!r} + ".snapshot"].active_import(bpy.context)
def watch():
    return [jobs().state, jobs().stage, round(jobs().fraction, 3)]
""", 120)
    for editor in ("DOPESHEET_EDITOR", "OUTLINER", "PROPERTIES"):  # the 3D view has the window for itself
        window.run(f"""
area = next(each for each in window().screen.areas if each.type == {editor!r})
with bpy.context.temp_override(window=window(), screen=window().screen, area=area):
    bpy.ops.screen.area_close()
""")
    window.tab("LEXIS")
    story.tell(blender=window.value("bpy.app.version_string"), sidebar=window.sidebar())
    story.picture("tab")


def choose(story: Story) -> None:
    """The demo photo, its masks, and a tripod of the library, in an empty scene."""
    demo = story.demo
    story.window.run("bpy.data.batch_remove(bpy.data.objects)")
    story.set(image_source="FILE", image_path=str(demo / "camera.png"), person_source="FILE",
              person_mask_path=str(demo / "person_mask.png"), object_source="FILE",
              object_mask_path=str(demo / "tripod_mask.png"), object_kind="LIBRARY", object_name="tripod")
    story.picture("image")


def cancel(story: Story) -> None:
    """Start, look at the progress, stop."""
    window = story.window
    place = story.find("lexis.reconstruct")
    window.click(*place)
    window.wait("jobs().state == 'running'")
    place = story.find("lexis.cancel", near=(place[0] + 100, place[1]))
    window.wait("jobs().fraction > 0.02")
    left, _, width, _ = window.sidebar()
    story.picture("progress", panel=False)
    window.picture(story.out / "panel-progress.png", [left, place[1] - 75, width - TABS, 120])
    pressed = window.click(*place)
    window.wait("jobs().state == 'idle'", LIMIT)
    first = {state: at for at, state, *_ in reversed(window.value("history")) if at > pressed}
    story.tell(heard_after=first.get("cancelling", first["idle"]) - pressed, cancelled_after=first["idle"] - pressed,
               objects_after_cancel=window.value("len(bpy.data.objects)"))
    window.run("history.clear()")


def reconstruct(story: Story) -> None:
    """To the end."""
    window = story.window
    began = story.press("lexis.reconstruct")
    window.wait("made() is not None and jobs().state == 'idle'", LIMIT)
    story.tell(seconds=time.time() - began, history=window.value("history"),
               parts=window.value("[each.name for each in (made().rig, made().body, made().object, made().camera)]"),
               attributes=window.value("sorted(made().body.data.attributes.keys())"))
    story.picture("arrived", panel=False)
    window.click(*window.find(r"lexis\.camera_view\(photo_size=True"))
    window.wait("view()[1].spaces.active.region_3d.view_perspective == 'CAMERA'")
    story.tell(frame=[window.value(f"bpy.context.scene.render.resolution_{axis}") for axis in "xy"])


def fields(story: Story) -> None:
    """Each field by the menu, chosen with its key; then all panels one by one."""
    window = story.window
    left, _, width, _ = window.sidebar()
    place = left + round(0.4 * width), story.find("lexis.measure")[1]  # menus do not tell what they are; it is beside
    shown = {}
    for name in ("distance", "contact", "predicted", "interfield"):
        _choose(window, place, name)
        shown[name] = [window.value("view()[1].spaces.active.shading.color_type")]
        story.picture(f"field-{name}", panel=False)
        colours = window.run("""
import numpy
mesh = made().body.data
colours = numpy.empty(4 * len(mesh.vertices), numpy.float32)
mesh.attributes["InterField"].data.foreach_get("color", colours)
result = [round(float(each), 4) for each in colours.reshape(-1, 4).mean(0)]
""")
        shown[name] += colours
    story.tell(fields=shown)
    story.picture("result")
    story.panels()


def _choose(window: Window, place: tuple[int, int], field: str) -> None:
    """Open the menu and press the field's letter; again where a busy machine dropped it."""
    for _ in range(5):
        window.click(*place)
        time.sleep(1)
        window.pointer("key", field[0])
        try:
            window.wait(f"sys.modules[{ADD_ON + '.scene.facts'!r}].kind(made().collection) == {field!r}", 5)
            return
        except TimeoutError:
            window.pointer("key", "Escape")
    raise LookupError(field)


def paint(story: Story) -> None:
    """Touch painted with the brush onto the right hand, applied, and solved for."""
    window = story.window
    before = window.value("[v for bone in made().rig.pose.bones for row in bone.matrix for v in row]")
    place = story.find("lexis.paint_field")
    window.click(*place)
    window.wait("bpy.context.mode == 'PAINT_WEIGHT'")
    hand = window.run("""
rig = made().rig
ends = [rig.matrix_world @ rig.pose.bones[name].head for name in ("right_wrist", "right_middle1", "right_middle3")]
result = [on_screen(point) for point in ends]
""")
    story.picture("painting-begins")
    for _ in range(3):
        window.drag([(x + dx, y) for x, y in hand for dx in (-4, 4)])
    story.picture("painting")
    window.click(*story.find("lexis.paint_apply", near=place))
    story.tell(mode=window.value("bpy.context.mode"), painted=window.run("""
import numpy
mesh = made().body.data
values = numpy.empty(len(mesh.vertices), numpy.float32)
mesh.attributes["painted"].data.foreach_get("value", values)
result = int((values > 0.9).sum())
"""))
    story.picture("painted")
    window.run("history.clear()")
    story.press("lexis.solve_painted")
    window.wait("jobs().state != 'idle'")
    window.wait("jobs().state == 'idle'", LIMIT)
    after = window.value("[v for bone in made().rig.pose.bones for row in bone.matrix for v in row]")
    story.tell(solved=max(abs(a - b) for a, b in zip(before, after, strict=True)), solving=window.value("history"))
    story.picture("solved")


def fail(story: Story) -> None:
    """A photo that is not there: the dialog tells."""
    window = story.window
    story.set(image_path="/nowhere/photo.jpg")
    story.press("lexis.reconstruct")
    window.wait("jobs().state == 'idle'")
    window.settle()
    window.picture(story.out / "viewport-error.png")
    window.pointer("key", "Escape")
    story.set(image_path=str(story.demo / "camera.png"))


def preferences(story: Story) -> None:
    """The add-on's own, in place of the 3D view."""
    window = story.window
    left, top, width = window.run(f"""
area = view()[1]
area.type = "PREFERENCES"
bpy.context.preferences.active_section = "ADDONS"
bpy.context.window_manager.addon_search = "LEXIS"
bpy.ops.preferences.addon_expand(module={ADD_ON!r})
result = [area.x, window().height - area.y - area.height, area.width]
""")
    window.run("window().screen.areas[0].tag_redraw()")
    time.sleep(1)
    window.picture(story.out / "panel-preferences.png", [left + 175, top + 255, width - 175, 245])
    window.run("next(a for a in window().screen.areas if a.type == 'PREFERENCES').type = 'VIEW_3D'")
    window.settle()


def leave(story: Story) -> None:
    """The add-on switched off in the middle of a job: the worker ends with it."""
    window = story.window
    story.press("lexis.reconstruct")
    window.wait("jobs().fraction > 0.02")
    story.tell(left=window.run(f"""
import os, time
worker = jobs().worker.pid
watch = None
began = time.perf_counter()
bpy.ops.preferences.addon_disable(module={ADD_ON!r})
seconds = time.perf_counter() - began
result = {{"seconds": seconds, "worker": os.path.exists(f"/proc/{{worker}}/stat"), "operators": dir(bpy.ops.lexis)}}
"""))
    story.picture("left", panel=False)


CHAPTERS = (photo_chapters.drop, choose, photo_chapters.box, photo_chapters.mask, cancel, reconstruct, fields, paint,
            fail, preferences, leave)


def main(zipped: Path, demo: Path, out: Path) -> int:
    with Window(SIZE) as window:
        story = Story(window, demo, out)
        try:
            install(story, zipped)
            for chapter in CHAPTERS:
                chapter(story)
            story.tell(finished=True)
        except Exception:
            story.tell(failed=traceback.format_exc(), log=window.log.read_text(errors="replace")[-4000:])
            window.picture(out / "failure.png")
            return 1
        story.tell(status=window.close())
        return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
