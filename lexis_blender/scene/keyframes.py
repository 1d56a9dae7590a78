"""The pose of an import as keyframes."""

from __future__ import annotations

from lexis_core.body.names import JOINTS

from .identity import Imported

ROTATION = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}  # else rotation_euler


def bake(made: Imported, frame: int) -> None:
    """Key every bone's rotation, the pelvis' location and the object's place at a frame."""
    for name in JOINTS:
        bone = made.rig.pose.bones[name]
        bone.keyframe_insert(_rotation(bone), frame=frame, group=name)
    made.rig.pose.bones[JOINTS[0]].keyframe_insert("location", frame=frame, group=JOINTS[0])
    for path in ("location", _rotation(made.object), "scale"):
        made.object.keyframe_insert(path, frame=frame, group="Object Transforms")


def _rotation(item) -> str:
    return ROTATION.get(item.rotation_mode, "rotation_euler")
