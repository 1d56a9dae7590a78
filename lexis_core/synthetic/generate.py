"""Make the training set: python -m lexis_core.synthetic.generate --count N --seed S --out states.npz [--poses FILE]

With --test, all objects are of instances that no training set holds; --test --count 2000 --seed 1000, without --poses,
is the test set.

Deterministic from the seed, whatever the number of processes. Work is cut into shards; those done lie beside the result
until it is whole, and a run that was stopped goes on from them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from lexis_core.body import default_body, rest_joints
from lexis_core.errors import InputError, LexisError
from lexis_core.geometry import axis_angle_from_rotation, rotation_from_axis_angle
from lexis_core.mesh import Mesh
from lexis_core.synthetic import check, poses, setup, solver, states
from lexis_core.synthetic.actions import HELD_OUT, PLANS
from lexis_core.synthetic.cameras import draw_camera, in_sight
from lexis_core.synthetic.catalogue import instances, solid, wanted_kinds
from lexis_core.synthetic.states import ACTION_NAMES, Interactions

VERSION = 3
TEST_COUNT, TEST_SEED = 2000, 1000  # the test set
SHARD = 256  # interactions
BATCH = 128  # solved together
WALK_SHARE = 0.12  # of the set: people who touch nothing
HARD = 5.0  # times as often at most is a hard category tried
ROUNDS = 40  # batches a shard may try before it gives up


@lru_cache(maxsize=1)
def _skin():
    return setup.solver_skin()


@lru_cache(maxsize=1)
def _captured(path: str | None) -> poses.Captured | None:
    return poses.read_captured(path) if path else None


def shard(number: int, size: int, seed: int, total: int, poses_path: str | None = None,
          grids: Path | None = None, test: bool = False) -> Interactions:
    """One shard of accepted interactions, the actions in equal shares but for those who walk past."""
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, 2, number])
    catalogue, captured = instances(total, seed, test), _captured(poses_path)
    # one shard keeps to a few objects of each kind, so that grids are built once
    offered: dict[str, list[int]] = {}
    for row, (name, _, _) in enumerate(catalogue):
        offered.setdefault(name, []).append(row)
    few = int(np.clip(size // 64, 1, 3))
    offered = {name: sorted(rng.choice(rows, min(few, len(rows)), replace=False).tolist())
               for name, rows in offered.items()}
    wanted = _shares(size, rng)
    tried, accepted, reasons, rows = Counter(), Counter(), Counter(), []
    for _ in range(ROUNDS):
        open_actions = [a for a in ACTION_NAMES if accepted[a] < wanted[a]]
        if not open_actions:
            break
        drafts = _drafts(open_actions, wanted, accepted, tried, offered, catalogue, captured, rng, grids, test)
        for action, instance, _ in drafts:
            tried.update([action, (action, catalogue[instance][0])])
        for draft, found in zip(drafts, _finished([d[2] for d in drafts], rng), strict=True):
            action, instance, _ = draft
            if isinstance(found, str):
                reasons[f"{action}: {found}"] += 1
                continue
            accepted.update([action, (action, catalogue[instance][0])])
            if accepted[action] <= wanted[action]:
                rows.append({"action": ACTION_NAMES.index(action), "instance": instance,
                             "split": catalogue[instance][2], **found})
    meta = {"tried": _plain(tried), "accepted": _plain(accepted), "rejected": dict(reasons)}
    order = rng.permutation(len(rows))
    arrays = {name: states.stored_precision(name, np.array([rows[k][name] for k in order])) for name in states.FIELDS}
    return Interactions(**arrays, instances=tuple((name, parameters) for name, parameters, _ in catalogue), meta=meta)


def _plain(counts: Counter) -> dict[str, int]:
    return {key if isinstance(key, str) else ": ".join(key): count for key, count in counts.items()}


def _shares(size: int, rng) -> dict[str, int]:
    walk = max(1, round(WALK_SHARE * size))
    others = [a for a in ACTION_NAMES if a != "walk past"]
    base, spare = divmod(size - walk, len(others))
    extra = set(rng.permutation(others)[:spare].tolist())
    return {a: walk if a == "walk past" else base + (a in extra) for a in ACTION_NAMES}


def _drafts(open_actions, wanted, accepted, tried, offered, catalogue, captured, rng, grids, test):
    """A batch of starts, most for the actions that lack most by their acceptance so far."""
    lack = np.array([(wanted[a] - accepted[a]) * (tried[a] + 4) / (accepted[a] + 2) for a in open_actions])
    drafts, room = [], int(np.clip(1.2 * lack.sum(), 16, BATCH))
    while len(drafts) < room:
        action = str(rng.choice(open_actions, p=lack / lack.sum()))
        category = _kind(wanted_kinds(action, test), action, tried, accepted, rng)
        instance = int(rng.choice(offered[category]))
        name, parameters, _ = catalogue[instance]
        grid = None if grids is None else grids / f"{instance:05d}.npy"
        ready = solid(name, json.dumps(parameters, sort_keys=True), grid)
        found = setup.draft(PLANS[action][category], ready, rng, captured)
        if found is not None:
            drafts.append((action, instance, found))
    return drafts


def _kind(kinds: dict[str, float], action: str, tried: Counter, accepted: Counter, rng) -> str:
    """A category for the action, the harder ones more often, so that they are not drowned by the easy ones."""
    hard = np.array([share * min((tried[action, n] + 2) / (accepted[action, n] + 1), HARD)
                     for n, share in kinds.items()])
    return str(rng.choice(list(kinds), p=hard / hard.sum()))


def _finished(starts: list[setup.Start], rng) -> list[dict | str]:
    """Place, solve and judge a batch: the fields of each accepted interaction, or the reason it is not."""
    starts = setup.place(starts, _skin(), rng)
    solved = solver.solve(starts, _skin())
    turns = rotation_from_axis_angle(solved.turn)
    arrays = [a.copy() for a in (solved.body_pose, solved.root, solved.shift, solved.place)]
    points, joints, wrists = check.skinned(starts, *arrays[:3], check.fresh_points())
    results: list[dict | str] = []
    for k, start in enumerate(starts):
        seeds = rng.integers(2**62, size=2)
        wrong = check.judge(start, points[k], joints[k], wrists[k], arrays[0][k], turns[k], arrays[3][k])
        results.append(wrong or _accepted(start, *(a[k] for a in arrays), turns[k], seeds))
    return results


def _accepted(start: setup.Start, body_pose, root, shift, place, turn, seeds) -> dict | str:
    """The last check on the whole surfaces, a camera, and the fields of the interaction in the world."""
    vertices, _, _ = check.skinned([start], body_pose[None], root[None], shift[None])
    if check.object_in_body(start, vertices[0], turn, place):
        return "object inside body"
    rng = np.random.default_rng(seeds[0])
    heading = rotation_from_axis_angle(np.array([0, rng.uniform(-np.pi, np.pi), 0]))
    body = Mesh(vertices[0] @ heading.T, default_body().faces)
    thing = start.solid.model.mesh.moved(heading @ turn, heading @ place)
    views = (draw_camera(rng, body.vertices, thing.vertices) for _ in range(10))
    view = next((v for v in views if v is not None and in_sight(body, thing, *v)), None)
    if view is None:
        return "no camera"
    pelvis = rest_joints(default_body(), start.betas, np.zeros(10, np.float32))[0]
    return {
        "seed": int(seeds[1]), "betas": start.betas, "body_pose": body_pose, "left_hand_pose": start.hands[:15],
        "right_hand_pose": start.hands[15:],
        "rotation": axis_angle_from_rotation(heading @ rotation_from_axis_angle(root.astype(np.float64))),
        "translation": heading @ (pelvis + shift) - pelvis, "object_rotation": axis_angle_from_rotation(heading @ turn),
        "object_translation": heading @ place, "camera_rotation": axis_angle_from_rotation(view[0]),
        "camera_translation": view[1], "focal": view[2],
    }


def generate(count: int, seed: int, out: Path, poses_path: str | None = None, processes: int = 2,
             test: bool = False, shards: int | None = None) -> Interactions:
    """Make count interactions and write them to out; shards already made with the same settings are used.

    shards : only the first so many of 256; the rest can be made later, for what is made so far stays
    """
    whole_number = -(-count // SHARD)
    number = min(shards or whole_number, whole_number)
    sizes = [min(SHARD, count - k * SHARD) for k in range(number)]
    folder = out.with_name(out.name + ".shards")
    stamp = {"version": VERSION, "count": count, "seed": seed, "captured": bool(poses_path), "test": test}
    _claim(folder, stamp)
    paths = [folder / f"{k:05d}.npz" for k in range(number)]
    todo = [k for k in range(number) if not paths[k].is_file()]
    began, made = time.perf_counter(), 0
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        jobs = {pool.submit(_write_shard, paths[k], k, sizes[k], seed, count, poses_path, folder / "grids", test): k
                for k in todo}
        for done in as_completed(jobs):
            made += done.result()
            print(f"shard {jobs[done] + 1}/{number}: {made / (time.perf_counter() - began):.1f} accepted a second",
                  flush=True)
    pieces = [states.load(path) for path in paths]
    totals = {key: Counter() for key in ("tried", "accepted", "rejected")}
    for piece in pieces:
        for key, total in totals.items():
            total.update(piece.meta[key])
    counted = {key: dict(sorted(total.items())) for key, total in totals.items()}
    meta = {**stamp, "shards": number, "held_out": list(HELD_OUT), **counted}
    whole = states.joined(pieces, meta)
    used = np.unique(whole.instance)
    place = np.zeros(len(whole.instances), np.int32)
    place[used] = np.arange(len(used))
    whole = replace(whole, instance=place[whole.instance], instances=tuple(whole.instances[k] for k in used))
    whole.save(out)
    if number == whole_number:
        shutil.rmtree(folder)
    return whole


def test_set(path: Path, processes: int = 2) -> Interactions:
    """The test set, from the file where it is already, else made (some minutes) and written there.

    Raises InputError for a file that holds other interactions.
    """
    if not path.is_file():
        return generate(TEST_COUNT, TEST_SEED, path, processes=processes, test=True)
    found = states.load(path)
    stamp = {"version": VERSION, "count": TEST_COUNT, "seed": TEST_SEED, "captured": False, "test": True}
    if {key: found.meta.get(key) for key in stamp} != stamp:
        raise InputError(f"{path} is not the test set.", "It was made with other settings or by another version.",
                         "Give another path, or remove the file so that it is made again.")
    return found


def _claim(folder: Path, stamp: dict) -> None:
    """Make the shards' folder, or find that it belongs to the same run."""
    note = folder / "stamp.json"
    if note.is_file():
        if note.read_text() != json.dumps(stamp):
            raise InputError(f"{folder} holds the shards of another set.", "It was begun with other settings.",
                             "Give the same --count, --seed, --poses and --test, or remove that folder.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(stamp))


def _write_shard(path: Path, *arguments) -> int:
    made = shard(*arguments)
    made.save(path)
    return len(made)


def table(meta: dict) -> str:
    """Acceptance by action as a Markdown table."""
    lines = ["| Action | Tried | Accepted | Share | Most frequent reason to reject |", "|---|---:|---:|---:|---|"]
    for action in ACTION_NAMES:
        tried, good = meta["tried"].get(action, 0), meta["accepted"].get(action, 0)
        why = {k.split(": ", 1)[1]: n for k, n in meta["rejected"].items() if k.startswith(action + ": ")}
        most = max(why, key=why.get) if why else ""
        lines.append(f"| {action} | {tried} | {good} | {good / max(tried, 1):.2f} | {most} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--poses", help="cmu_smplx_poses.npz; without it, authored key poses only")
    parser.add_argument("--test", action="store_true", help="of instances and categories that no training set holds")
    parser.add_argument("--shards", type=int, help="make only the first so many shards of 256 of this set")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    try:
        if given.count < 1:
            raise InputError("Nothing to make.", "--count is below 1.", "Give the number of interactions.")
        began = time.perf_counter()
        made = generate(given.count, given.seed, given.out, given.poses, given.processes, given.test,
                        given.shards)
    except LexisError as error:
        parser.exit(2, f"{error}\n")
    print(table(made.meta))
    parts = ", ".join(f"{name} {int((made.split == k).sum())}" for k, name in enumerate(states.SPLITS))
    print(f"{given.out}: {len(made)} interactions, {given.out.stat().st_size / 1e6:.2f} MB, {parts}; "
          f"{len(made) / (time.perf_counter() - began):.1f} a second")


if __name__ == "__main__":
    main()
