"""A state put onto an import that is there already: the rig's pose, the sliders, the object's place, and the fields."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Matrix

from lexis_core.body.model import BodyModel, joint_rotations, pose, rest_joints, rest_vertices
from lexis_core.errors import InputError
from lexis_core.interfield import InterField
from lexis_core.interfield import measure as measured
from lexis_core.mesh import Mesh
from lexis_core.reconstruction import Reconstruction

from . import armature, fields, read_back, shapes, skeleton, store
from .assemble import placement
from .identity import Imported

Array = np.ndarray


def apply(context: bpy.types.Context, made: Imported, model: BodyModel, result: Reconstruction) -> None:
    """Let the import stand as the result says. Both have the same body, object and photo.

    The rig object stays where it is; the pelvis carries the difference. Keyframes are not touched, so a keyed bone
    returns to its curve at the next frame: bake again to keep it. Leaves object mode as it was found.
    Raises InputError, with nothing changed, when the rig is scaled or hidden, or a mesh was cut meanwhile.
    """
    with object_mode(context):
        _check_fits(made, result)
        _pose(context, made, model, result)
        surfaces = Mesh(pose(model, result.state.body).vertices, model.faces), result.object_mesh()
        fields.write(made, result.field, surfaces)
        fields.write_predicted(made, result)
        store.keep_state(made, result)


def measure(context: bpy.types.Context, made: Imported) -> None:
    """Measure the InterField anew between body and object as they are seen now. What was painted stays painted."""
    with object_mode(context):
        surfaces = read_back.surfaces(context, made)
        put_measured(context, made, measured(*surfaces, fields.sigma(made)), surfaces)


def put_measured(context: bpy.types.Context, made: Imported, field: InterField, surfaces: tuple[Mesh, Mesh],
                 stands: list[float] | None = None) -> None:
    """Write a field that was measured between these surfaces. stands : as fields.write() takes it"""
    with object_mode(context):
        fields.write(made, field, surfaces, stands=stands)
        store.mark_measured(made)


@contextmanager
def object_mode(context: bpy.types.Context) -> Iterator[None]:
    """Inside the block Blender is in object mode, and afterwards in the mode it was in. InputError where it cannot."""
    active = context.view_layer.objects.active
    mode = "OBJECT" if active is None else active.mode
    if mode != "OBJECT":
        if not bpy.ops.object.mode_set.poll():
            raise InputError(f'Blender does not leave the mode that "{active.name}" is in.',
                             "What is hidden keeps its mode.", f'Show "{active.name}", or leave its mode.')
        bpy.ops.object.mode_set(mode="OBJECT")
    try:
        yield
    finally:
        if mode != "OBJECT":
            bpy.ops.object.mode_set(mode=mode)


def _check_fits(made: Imported, result: Reconstruction) -> None:
    for item, values in ((made.body, result.field.body), (made.object, result.field.object)):
        if len(item.data.vertices) != len(values):
            raise InputError(f'The result does not fit "{item.name}".',
                             f"It has {len(item.data.vertices):,} vertices, and the result is of {len(values):,}.",
                             "Undo what changed the mesh, or solve again.")


def _pose(context: bpy.types.Context, made: Imported, model: BodyModel, result: Reconstruction) -> None:
    state = result.state.body
    context.view_layer.update()
    stands = np.array(made.rig.matrix_world, np.float64)
    armature.check_size(made.rig, stands)
    moved = read_back.camera_motion(made, context.evaluated_depsgraph_get())
    joints = rest_joints(model, state.betas, state.expression)
    crown = float(rest_vertices(model, state.betas, state.expression)[:, 1].max())
    armature.lay_again(context, made.rig, skeleton.lay_bones(joints, crown))
    into_rig = np.linalg.inv(stands) @ moved
    armature.set_pose(made.rig, joint_rotations(model, state), joints[0], state.translation, into_rig)
    shapes.set_shape(made.body, model, state)
    context.view_layer.update()  # it may hang on a bone
    _place(made.object, Matrix(moved) @ placement(result.state.object))


def _place(item: bpy.types.Object, world: Matrix) -> None:
    """Let an object stand so in the world. Location, rotation and scale cannot undo a parent that is stretched, and
    Blender then leaves the rest away; the parent's inverse can, as with Set Parent (Keep Transform).
    """
    above = item.matrix_world @ item.matrix_local.inverted_safe()
    item.matrix_world = world
    if item.parent is None:
        return
    stands = above @ item.matrix_parent_inverse @ item.matrix_basis
    if np.abs(np.array(stands) - np.array(world)).max() > read_back.SAME_PLACE:
        item.matrix_parent_inverse = above.inverted_safe()
        item.matrix_basis = world
