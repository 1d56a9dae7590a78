"""What many reconstructions leave behind: memory of Blender and of its worker process, and data-blocks of the file.

    python benchmarks/rounds.py [--rounds 100]

A round: Reconstruct with the Fast preset, from the demo photo at half its size, in the worker that was there before;
what it imports, undo, redo, delete. Prints a line every ten rounds. Undo keeps 32 steps, two a round, so that memory
is at rest from the 17th on.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import bpy  # noqa: E402
from PIL import Image  # noqa: E402

DEMO = ROOT / "lexis_core" / "data" / "demo"
SETTLED = 20  # rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    import addon_utils

    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon_utils.enable("lexis_blender", default_set=True)
    with tempfile.TemporaryDirectory() as folder:
        _settings(Path(folder))
        bpy.ops.ed.undo_push(message="empty")
        _run(rounds)
        addon_utils.disable("lexis_blender", default_set=True)


def _settings(folder: Path) -> None:
    from lexis_blender import preferences

    for name in ("camera", "person_mask", "tripod_mask"):
        with Image.open(DEMO / f"{name}.png") as picture:
            picture.resize((picture.width // 2, picture.height // 2)).save(folder / f"{name}.png")
    preferences.read().cache_folder = str(folder / "cache")
    settings = bpy.context.scene.lexis
    settings.image_path = str(folder / "camera.png")
    settings.person_source, settings.person_mask_path = "FILE", str(folder / "person_mask.png")
    settings.object_source, settings.object_mask_path = "FILE", str(folder / "tripod_mask.png")
    settings.object_kind, settings.object_name, settings.preset = "LIBRARY", "tripod", "FAST"


def _run(rounds: int) -> None:
    from lexis_blender import runtime

    print(f"Blender {bpy.app.version_string}")
    spent, seen, workers = [], [], set()
    for number in range(1, rounds + 1):
        start = time.perf_counter()
        _round()
        spent.append(time.perf_counter() - start)
        workers.add(runtime.jobs.worker.pid)
        seen.append((_datablocks(), _memory("self"), _memory(runtime.jobs.worker.pid)))
        if number in (1, SETTLED, rounds) or number % 10 == 0:
            blocks, own, worker = seen[-1]
            print(f"round {number}: {blocks} data-blocks, Blender {own:.0f} MB, worker {worker:.0f} MB, "
                  f"{spent[-1]:.1f} s", flush=True)
    settled = seen[min(SETTLED, rounds) - 1]
    growth = [after - before for before, after in zip(settled, seen[-1], strict=True)]
    print(f"{rounds} rounds of {median(spent):.1f} s in {len(workers)} worker process; from round {SETTLED} on "
          f"{growth[0]:+d} data-blocks, Blender {growth[1]:+.1f} MB, worker {growth[2]:+.1f} MB")


def _round() -> None:
    from lexis_blender import compat, snapshot
    from lexis_blender.scene import assemble

    with compat.quiet():
        bpy.ops.lexis.reconstruct()
        bpy.ops.ed.undo()
        assert snapshot.active_import(bpy.context) is None
        bpy.ops.ed.redo()
        assemble.remove(snapshot.active_import(bpy.context).collection)
        bpy.data.orphans_purge(do_recursive=True)
        bpy.ops.ed.undo_push(message="delete")


def _datablocks() -> int:
    return sum(len(getattr(bpy.data, p.identifier)) for p in bpy.data.bl_rna.properties if p.type == "COLLECTION")


def _memory(process: str | int) -> float:
    """Megabytes a process holds now; 0 where the system does not say."""
    path = Path(f"/proc/{process}/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if path.exists() else 0.0


if __name__ == "__main__":
    main()
