"""Biovision hierarchy (.bvh) files, as CMU's motion capture is commonly passed on, and their poses on our skeleton."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lexis_core.errors import InputError
from lexis_core.geometry import axis_angle_from_rotation, rotation_from_axis_angle
from lexis_core.synthetic.poses import Pose, from_directions, without_heading

Array = np.ndarray

AXES = {"X": (1.0, 0.0, 0.0), "Y": (0.0, 1.0, 0.0), "Z": (0.0, 0.0, 1.0)}
MAX_BYTES = 200 << 20


@dataclass(frozen=True)
class Motion:
    """A skeleton and its frames, in the file's own length unit; y up.

    names, parents : J joints, end sites included under "<parent> end"; parent -1 for the root
    offsets        : (J, 3) from the parent
    translations   : (F, J, 3), added to the offsets; rotations : (F, J, 3, 3), each relative to its parent
    frame_time     : seconds
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array
    translations: Array
    rotations: Array
    frame_time: float


def read_bvh(path: str | Path) -> Motion:
    """Read a .bvh file. InputError when it is not one."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"It is larger than {MAX_BYTES >> 20} MB.")
        head, found, tail = path.read_text(encoding="latin1").partition("MOTION")
        if not found:
            raise ValueError("It has no MOTION section.")
        names, parents, offsets, channels = _hierarchy(head.split())
        return _motion(names, parents, np.array(offsets), channels, tail.split())
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{path} is not a motion this program can read.", str(error) or type(error).__name__,
                         "Give a .bvh file with one skeleton.") from error


def _hierarchy(words: list[str]):
    names, parents, offsets, channels, stack = [], [], [], [], [-1]
    k, current = 0, -1
    while k < len(words):
        word = words[k]
        if word in ("ROOT", "JOINT", "End"):
            name = f"{names[stack[-1]]} end" if word == "End" else words[k + 1]
            names.append(name)
            parents.append(stack[-1])
            offsets.append([0.0, 0.0, 0.0])
            channels.append([])
            current = len(names) - 1
            k += 2
        elif word == "{":
            stack.append(current)
            k += 1
        elif word == "}":
            stack.pop()
            k += 1
        elif word == "OFFSET":
            offsets[current] = [float(v) for v in words[k + 1:k + 4]]
            k += 4
        elif word == "CHANNELS":
            count = int(words[k + 1])
            channels[current] = words[k + 2:k + 2 + count]
            k += 2 + count
        elif word == "HIERARCHY":
            k += 1
        else:
            raise ValueError(f'"{word}" has no meaning in a hierarchy.')
    if not names or stack != [-1] or parents.count(-1) != 1:
        raise ValueError("Its hierarchy is not one closed tree.")
    return tuple(names), tuple(parents), offsets, channels


def _motion(names, parents, offsets: Array, channels: list[list[str]], words: list[str]) -> Motion:
    if words[:1] != ["Frames:"] or words[2:4] != ["Frame", "Time:"]:
        raise ValueError("Its MOTION section does not begin with Frames: and Frame Time:.")
    frames, frame_time = int(words[1]), float(words[4])
    width = sum(len(c) for c in channels)
    if not 0 < frames * width == len(words) - 5:
        raise ValueError(f"{frames} frames of {width} channels need {frames * width} numbers; it has {len(words) - 5}.")
    values = np.array(words[5:], np.float64).reshape(frames, width)
    if not np.isfinite(values).all():
        raise ValueError("It holds NaN or infinity.")
    translations = np.zeros((frames, len(names), 3))
    rotations = np.tile(np.eye(3), (frames, len(names), 1, 1))
    column = 0
    for joint, own in enumerate(channels):
        for name in own:
            axis, kind = np.array(AXES[name[0].upper()]), name[1:].lower()
            if kind == "position":
                translations[:, joint] += values[:, column, None] * axis
            elif kind == "rotation":
                turn = rotation_from_axis_angle(np.radians(values[:, column, None]) * axis)
                rotations[:, joint] = rotations[:, joint] @ turn
            else:
                raise ValueError(f'"{name}" is not a channel.')
            column += 1
    return Motion(names, parents, offsets, translations, rotations, frame_time)


def world(motion: Motion) -> tuple[Array, Array]:
    """Positions (F, J, 3) and rotations (F, J, 3, 3) of every joint in the world."""
    places, turns = np.zeros_like(motion.translations), np.zeros_like(motion.rotations)
    for joint, parent in enumerate(motion.parents):
        local = motion.offsets[joint] + motion.translations[:, joint]
        if parent < 0:
            places[:, joint], turns[:, joint] = local, motion.rotations[:, joint]
        else:
            places[:, joint] = places[:, parent] + np.einsum("fij,fj->fi", turns[:, parent], local)
            turns[:, joint] = turns[:, parent] @ motion.rotations[:, joint]
    return places, turns


CMU = {
    "arms": (("LeftArm", "LeftForeArm"), ("LeftForeArm", "LeftHand"), ("RightArm", "RightForeArm"),
             ("RightForeArm", "RightHand")),
    "legs": (("LeftUpLeg", "LeftLeg"), ("LeftLeg", "LeftFoot"), ("RightUpLeg", "RightLeg"), ("RightLeg", "RightFoot")),
}


def poses(motion: Motion) -> list[Pose]:
    """Each frame of a CMU skeleton on ours: limbs point the same way, the spine's bend is shared by three joints.

    InputError when joints of CMU's names are missing.
    """
    needed = {name for bones in CMU.values() for bone in bones for name in bone} | {"Hips", "Spine1"}
    missing = sorted(needed - set(motion.names))
    if missing:
        raise InputError("The motion has another skeleton.", f"It lacks {', '.join(missing)}.",
                         "Give a CMU motion in BVH form, with joints named Hips, LeftUpLeg and so on.")
    index = {name: k for k, name in enumerate(motion.names)}
    places, turns = world(motion)
    hips = without_heading(turns[:, index["Hips"]])
    heading = hips @ np.swapaxes(turns[:, index["Hips"]], -1, -2)
    result = []
    for f in range(len(places)):
        arms, legs = (np.array([heading[f] @ (places[f, index[b]] - places[f, index[a]]) for a, b in CMU[limb]])
                      for limb in ("arms", "legs"))
        bend = axis_angle_from_rotation(turns[f, index["Hips"]].T @ turns[f, index["Spine1"]]) / 3
        unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (arms, legs)]
        result.append(from_directions(hips[f], bend, np.zeros(3), *unit))
    return result
