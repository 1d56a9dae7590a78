"""What the add-on costs Blender: switching it on, drawing its panels, the main thread while a job runs, Cancel.

    python benchmarks/panel.py

Prints milliseconds on the clock with those of the processor in brackets, which a busy machine does not lengthen. The
targets: enable 150 ms, a panel 1 ms, a tick 50 ms besides the import itself, the import 250 ms, Cancel 300 ms.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "blender")]

import bpy  # noqa: E402

STAGES = ("load", "observe", "body", "object", "flow", "interfield")
DEMO = ROOT / "lexis_core" / "data" / "demo"
ENABLE = """
import bpy, time, sys
import addon_utils
start = time.perf_counter(), time.process_time()
addon_utils.enable("lexis_blender", default_set=True)
print(1000 * (time.perf_counter() - start[0]), 1000 * (time.process_time() - start[1]))
"""


class Silent:
    """A layout that takes every call and does nothing, so that only the panel's own work is timed."""

    def __getattr__(self, name):
        return self._itself

    def _itself(self, *given, **named):
        return self


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    print(f"Blender {bpy.app.version_string}, milliseconds")
    times = [_enable() for _ in range(5)]
    print(f"enable, median of 5 fresh processes: {Spent(*map(median, zip(*times, strict=True)))}")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    import addon_utils
    addon_utils.enable("lexis_blender", default_set=True)
    _demo()
    print("panels without a result:", _panels())
    _job()
    print("panels with a result:", _panels())
    bpy.context.scene.lexis.method = "AUTO"
    _cancel()
    addon_utils.disable("lexis_blender", default_set=True)


class Spent(NamedTuple):
    """Milliseconds, on the clock and of this thread's processor."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.1f} ({self.processor:.1f})"


def _timed(call) -> tuple[Spent, Any]:
    start = time.perf_counter(), time.thread_time()
    value = call()
    return Spent(1000 * (time.perf_counter() - start[0]), 1000 * (time.thread_time() - start[1])), value


def _enable() -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", ENABLE], cwd=ROOT, capture_output=True, text=True, check=True)
    clock, processor = done.stdout.split()[-2:]
    return float(clock), float(processor)


def _demo() -> None:
    settings = bpy.context.scene.lexis
    settings.image_path = str(DEMO / "camera.png")
    settings.person_source, settings.person_mask_path = "FILE", str(DEMO / "person_mask.png")
    settings.object_source, settings.object_mask_path = "FILE", str(DEMO / "tripod_mask.png")
    settings.object_kind, settings.object_name, settings.method = "LIBRARY", "tripod", "ESTIMATE"


def _panels() -> str:
    from lexis_blender import registration

    found = []
    for module in registration.MODULES:
        for panel in module.CLASSES:
            if issubclass(panel, bpy.types.Panel):
                host = SimpleNamespace(layout=Silent())
                host.prepare = lambda host=host, panel=panel: panel.prepare(host)
                found.append(f"{panel.bl_label} {1000 * _shortest(lambda p=panel, h=host: p.draw(h, bpy.context)):.3f}")
    return ", ".join(found)


def _shortest(call, times: int = 50) -> float:
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return median(spent)


def _job() -> None:
    """Run the demo as a window does, tick by tick; prints what a tick took at most."""
    from lexis_blender import preferences, request, results, runtime
    from lexis_blender.jobs import Work

    jobs, kept, ticks = runtime.jobs, [], []
    asking, prepare = _timed(lambda: request.reconstruct(bpy.context))
    work = Work("reconstruct", prepare, finish=results.keeper(preferences.cache_folder(), "benchmark", None),
                done=kept.append)
    starting, _ = _timed(lambda: jobs.start(work))
    active = True
    while active:
        spent, active = _timed(jobs.tick)
        ticks.append(spent)
        time.sleep(runtime.INTERVAL)
    imports = [_timed(lambda: results.bring_in(kept[0], "benchmark", bpy.context.scene.name))[0] for _ in range(3)]
    print(f"a job of {kept[0].seconds:.1f} s: asking the scene {asking}, starting {starting}, longest of "
          f"{len(ticks)} ticks {max(ticks)}; imports {', '.join(map(str, imports))}")


def _cancel() -> None:
    """A job stopped in each of its stages: from Cancel until the panel shows that nothing runs."""
    from lexis_blender import request, runtime
    from lexis_blender.jobs import Work

    jobs, spent = runtime.jobs, []
    for stage in STAGES:
        jobs.start(Work("reconstruct", request.reconstruct(bpy.context)))
        while jobs.tick() and jobs.stage != stage:
            time.sleep(0.002)
        start, worker = time.perf_counter(), jobs.worker
        jobs.cancel()
        jobs.wait()
        spent.append(f"{stage} {1000 * (time.perf_counter() - start):.0f}"
                     + ("" if jobs.worker is worker else " (the worker had to be ended)"))
    print("cancel to idle:", ", ".join(spent))


if __name__ == "__main__":
    main()
