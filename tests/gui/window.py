"""A real Blender window under Xvfb: runs Python in it, finds and clicks its buttons, takes pictures. Standard library.

Needs blender, Xvfb, xdotool and ImageMagick's import in the PATH.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

ROW = 10  # pixels between two places looked at for a button: half a row
COLUMNS = (0.5, 0.25, 0.75, 0.86)  # of the sidebar's width, where a row may have buttons
POLL = 0.02  # seconds


class Window:
    """An open Blender. The screen is as large as the window, so that both have the same coordinates, y from the top."""

    def __init__(self, size: tuple[int, int]):
        self.size = size
        self._folder = tempfile.TemporaryDirectory(prefix="lexis-window-")
        folder = Path(self._folder.name)
        self._questions = folder / "questions"
        self._questions.mkdir()
        self._count = 0
        reader, writer = os.pipe()
        self._screen = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{size[0]}x{size[1]}x24", "-nolisten", "tcp", "-ac"],
            pass_fds=(writer,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(writer)
        with os.fdopen(reader) as numbers:
            display = f":{numbers.readline().strip()}"
        self._env = {**os.environ, "DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1", "HOME": str(folder),
                     "BLENDER_USER_RESOURCES": str(folder / "blender")}
        self.log = folder / "blender.log"
        with self.log.open("w") as log:
            self._blender = subprocess.Popen(
                ["blender", "--factory-startup", "--window-geometry", "0", "0", str(size[0]), str(size[1]), "--python",
                 str(Path(__file__).with_name("agent.py")), "--", str(self._questions)],
                env=self._env, stdout=log, stderr=subprocess.STDOUT)
        try:
            self.run("", timeout=120)
        except BaseException:
            self.close()
            raise

    def run(self, source: str, timeout: float = 60) -> Any:
        """Run Python on Blender's main thread; what it left in `result`."""
        self._count += 1
        question = self._questions / f"{self._count:06}.part"
        question.write_text(source, encoding="utf-8")
        question.rename(question.with_suffix(".py"))
        answer, end = question.with_suffix(".json"), time.monotonic() + timeout
        while not answer.exists():
            if self._blender.poll() is not None:
                raise RuntimeError(f"Blender ended with {self._blender.returncode}.\n{self.log.read_text()[-3000:]}")
            if time.monotonic() > end:
                raise TimeoutError(source)
            time.sleep(POLL)
        told = json.loads(answer.read_text(encoding="utf-8"))
        if "error" in told:
            raise RuntimeError(told["error"])
        return told["result"]

    def value(self, expression: str, timeout: float = 60) -> Any:
        """The value of an expression in Blender."""
        return self.run(f"result = ({expression})", timeout)

    def wait(self, expression: str, timeout: float = 60) -> Any:
        """Wait until an expression is true; its value."""
        end = time.monotonic() + timeout
        while not (value := self.value(expression)):
            if time.monotonic() > end:
                raise TimeoutError(expression)
            time.sleep(POLL)
        return value

    def settle(self, times: int = 2) -> None:
        """Wait until everything has been drawn again."""
        for _ in range(times):
            self.run("for area in view()[0].screen.areas: area.tag_redraw()")
            time.sleep(0.2)

    def tab(self, category: str) -> None:
        """Open the sidebar and one of its tabs."""
        self.run("view()[1].spaces.active.show_region_ui = True")
        self.settle()
        self.run(f"view()[2].active_panel_category = {category!r}\nview()[2].tag_redraw()")
        self.settle()

    def sidebar(self) -> list[int]:
        """Left, top, width, height of the sidebar."""
        return self.value("rectangle(view()[2])")

    def pointer(self, *action: Any) -> None:
        """Move or press as xdotool says it."""
        subprocess.run(["xdotool", *map(str, action)], env=self._env, check=True)

    def buttons(self) -> dict[str, tuple[int, int]]:
        """What the sidebar's visible buttons would run or show, and where they are."""
        left, top, width, height = self.sidebar()
        found: dict[str, tuple[int, int]] = {}
        for y in range(top + ROW, top + height - ROW, ROW):
            for share in COLUMNS:
                x = left + round(width * share)
                if text := self._under(x, y, 0.05):
                    found.setdefault(text, (x, y))
        return found

    def find(self, pattern: str, near: tuple[int, int] | None = None) -> tuple[int, int]:
        """Where a button is whose text matches, looked for from the top or around a place; LookupError if none is."""
        left, top, width, height = self.sidebar()
        rows = range(top + ROW, top + height - ROW, ROW)
        columns = [left + round(width * share) for share in COLUMNS]
        places = [(x, y) for x in columns for y in rows]
        if near:
            places.sort(key=lambda place: (abs(place[1] - near[1]) + 0.2 * abs(place[0] - near[0])))
        for x, y in places:
            if re.search(pattern, self._under(x, y, 0.15 if near else 0.05)):
                return x, y
        raise LookupError(pattern)

    def _under(self, x: int, y: int, pause: float) -> str:
        self.pointer("mousemove", x - 1, y, "mousemove", x, y)
        time.sleep(pause)
        return self.value("hovered()")

    def click(self, x: int, y: int) -> float:
        """Click; when the button went down, in seconds since the epoch."""
        self.pointer("mousemove", x, y)
        time.sleep(0.1)
        began = time.time()
        self.pointer("click", 1)
        return began

    def drag(self, points: list[tuple[int, int]]) -> None:
        """A stroke through the points with the left button down."""
        self.pointer("mousemove", *points[0])
        time.sleep(0.1)
        self.pointer("mousedown", 1)
        for _ in range(2):  # without a window manager, Blender presses where the mouse is when it gets to the event
            self.run("")
        for point in points:
            self.pointer("mousemove", *point)
            time.sleep(0.05)
        self.pointer("mouseup", 1)
        time.sleep(0.2)

    def drop(self, file: Path, x: int, y: int) -> None:
        """Drop a file as from a file browser."""
        subprocess.run(["python3", str(Path(__file__).with_name("drop.py")), str(file), str(x), str(y)],
                       env=self._env, check=True)

    def picture(self, path: Path, crop: list[int] | None = None) -> None:
        """A PNG of the screen, or of left, top, width, height."""
        cut = ["-crop", "{2}x{3}+{0}+{1}".format(*crop), "+repage"] if crop else []
        subprocess.run(["import", "-window", "root", *cut, "-colors", "256", f"PNG8:{path}"],
                       env=self._env, check=True)

    def close(self) -> int | None:
        """Quit as the artist does, or by force; Blender's exit status."""
        try:
            if self._blender.poll() is None:
                self.run("bpy.app.timers.register(lambda: bpy.ops.wm.quit_blender() and None, first_interval=0.1)", 10)
                self._blender.wait(20)
        except (RuntimeError, TimeoutError, subprocess.TimeoutExpired):
            pass
        for process in (self._blender, self._screen):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        self._folder.cleanup()
        return self._blender.returncode

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_) -> None:
        self.close()
