"""An import as the artist has it now, as a Reconstruction again: the posed rig, the sliders, the placed object.

What nobody touched comes back bit for bit: a joint, the pelvis or the object counts as moved only when it stands
farther from where it was put than Blender's single precision explains. Everything is told in the space of the import's
camera, so a scene turned as a whole with its camera is the same reconstruction.
"""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
from mathutils import Matrix

from lexis_core.body.model import BodyModel, joint_rotations, pose, rest_joints
from lexis_core.body.names import JOINTS, PARENTS
from lexis_core.errors import InputError
from lexis_core.geometry import axis_angle_from_rotation, nearest_rotation, rotation_degrees
from lexis_core.interfield import InterField, measure
from lexis_core.mesh import Mesh
from lexis_core.reconstruction import Reconstruction, from_arrays
from lexis_core.state import BodyState, ObjectState, State

from . import armature, attributes, axes, fields, mesh, shapes, store, surface
from .identity import Imported

Array = np.ndarray

SAME_ANGLE = 1e-3   # degrees
SAME_PLACE = 1e-5   # metres
CAMERA_AT_REST = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], np.float64)


def read_back(context: bpy.types.Context, made: Imported, model: BodyModel, measured: bool = True) -> Reconstruction:
    """The import as it stands at the current frame. Its InterField is measured anew where anything has moved.

    measured : False leaves the field as it was, which is quick; for when it is about to be solved anew anyway
    Raises InputError when the rig is scaled, the object is stretched or mirrored, a mesh was cut or is in edit mode, or
    the collection does not know what it was made from.
    """
    result = as_kept(made, model)
    state = posed_state(context, made, model, result.state)
    if state is not result.state:
        result = replace(result, state=state, info={**result.info, "edited": True})
    elif store.fields_are_kept(made):
        return result
    return anew(result, model) if measured else result


def as_kept(made: Imported, model: BodyModel) -> Reconstruction:
    """The result the rig was last posed by, with the object's mesh as it is and the fields the meshes carry."""
    return whole(made, model, store.kept(made), _field(made), fields.read_pair(made, attributes.PREDICTED))


def whole(made: Imported, model: BodyModel, kept: dict[str, Array], field: InterField | None,
          predicted: fields.Pair | None) -> Reconstruction:
    """A result of this import's body and object. kept : as of store.kept(). Without a field it is measured."""
    vertices, faces = object_mesh(made.object)
    count = len(model.template)
    if len(made.body.data.vertices) != count:
        raise InputError(f'"{made.body.name}" is no longer the body.', "Vertices were added or removed.",
                         "Undo that, or import the reconstruction again.")
    fits = field is not None and (len(field.body), len(field.object)) == (count, len(vertices))
    if not fits:
        far = [np.full(n, 1.0, np.float32) for n in (count, len(vertices))]
        field, predicted = InterField(*far, *far, *(a < 0 for a in far), fields.sigma(made)), None
    arrays = {
        store.FACES: faces, **kept, "object_vertices": vertices, "sigma": np.array(field.sigma),
        "if_body": field.body, "if_object": field.object, "body_distance": field.body_distance,
        "object_distance": field.object_distance, "body_inside": field.body_inside,
        "object_inside": field.object_inside,
    }
    if predicted is not None:
        arrays["predicted_body"], arrays["predicted_object"] = predicted
    result = from_arrays(arrays, f'"{made.collection.name}"')
    return result if fits else anew(result, model)


def anew(result: Reconstruction, model: BodyModel) -> Reconstruction:
    """The result with its InterField measured."""
    posed = Mesh(pose(model, result.state.body).vertices, model.faces)
    return replace(result, field=measure(posed, result.object_mesh(), result.field.sigma))


def posed_state(context: bpy.types.Context, made: Imported, model: BodyModel, known: State) -> State:
    """The state in which rig, sliders and object stand. known : as they were put; itself when nothing has moved"""
    context.view_layer.update()
    depsgraph = context.evaluated_depsgraph_get()
    into_camera = np.linalg.inv(camera_motion(made, depsgraph))
    body = _body_state(made, model, known.body, depsgraph, into_camera)
    placed = _object_state(made.object, known.object, depsgraph, into_camera)
    return known if body is known.body and placed is known.object else State(body, placed)


def surfaces(context: bpy.types.Context, made: Imported) -> tuple[Mesh, Mesh]:
    """Body and object as they are seen, modifiers and shape keys included, one vertex for each that carries a field.

    In the Blender world. Raises InputError when a modifier changes their number.
    """
    context.view_layer.update()
    depsgraph = context.evaluated_depsgraph_get()
    return _seen(made.body, depsgraph), _seen(made.object, depsgraph)


def camera_motion(made: Imported, depsgraph: bpy.types.Depsgraph) -> Array:
    """(4, 4) float64, how the import's camera was moved from where imports have it; exactly 1 when it was not."""
    try:
        matrix = np.array(_camera_stands(made.camera, depsgraph), np.float64)
    except (AttributeError, ReferenceError):  # the camera was deleted
        return np.eye(4)
    matrix[:3, :3] = nearest_rotation(matrix[:3, :3])
    motion = matrix @ CAMERA_AT_REST.T
    return np.eye(4) if np.abs(motion - np.eye(4)).max() < 1e-6 else motion


def _camera_stands(camera: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Matrix:
    """Its place in the world. Switched off in the viewport Blender does not evaluate it; it stands where it was put all
    the same, but InputError where a parent, a constraint or keys would have to tell.
    """
    alone = camera.parent is None and not camera.constraints and camera.animation_data is None
    if alone and not camera.evaluated_get(depsgraph).is_evaluated:
        return camera.matrix_basis
    return surface.seen(camera, depsgraph).matrix_world


def object_mesh(item: bpy.types.Object) -> tuple[Array, Array]:
    """The object's own mesh: vertices (V, 3) float32 in the rest frame, and triangles (F, 3) int32."""
    if item.data.is_editmode:
        raise InputError(f'"{item.name}" cannot be read.', "It is in edit mode.", "Leave edit mode and try again.")
    points = mesh.points(item.data) @ axes.LOCAL_FROM_REST.astype(np.float32)
    return np.ascontiguousarray(points), mesh.triangles(item.data)


def _body_state(made: Imported, model: BodyModel, known: BodyState, depsgraph: bpy.types.Depsgraph,
                into_camera: Array) -> BodyState:
    armature.check_size(made.rig, np.array(surface.seen(made.rig, depsgraph).matrix_world))
    motions = into_camera @ armature.motions(made.rig, depsgraph)
    turned = axes.WORLD_FROM_CAMERA.T @ nearest_rotation(motions[:, :3, :3]) @ axes.LOCAL_FROM_REST
    above = np.array([turned[p] if p >= 0 else np.eye(3) for p in PARENTS])
    local = above.transpose(0, 2, 1) @ turned
    changed = rotation_degrees(joint_rotations(model, known).astype(np.float64), local) > SAME_ANGLE
    betas, expression = shapes.shape(made.body, known)
    stands = armature.heads(made.rig, depsgraph)[0] @ into_camera[:3, :3].T + into_camera[:3, 3]
    stands = stands @ axes.WORLD_FROM_CAMERA
    before = rest_joints(model, known.betas, known.expression)[0].astype(np.float64)
    reshaped = not (np.array_equal(betas, known.betas) and np.array_equal(expression, known.expression))
    moved = np.abs(stands - before - known.translation).max() > SAME_PLACE
    changed[[JOINTS.index("left_eye_smplhf"), JOINTS.index("right_eye_smplhf")]] = False  # a state has no gaze
    if not (changed.any() or reshaped or moved):
        return known
    pelvis = rest_joints(model, betas, expression)[0] if reshaped else before
    translation = (stands - pelvis).astype(np.float32) if moved or reshaped else known.translation
    rotation = local[0].astype(np.float32) if changed[0] else known.rotation
    angles = axis_angle_from_rotation(local)
    if not known.flat_hand:
        angles[25:40] -= model.hand_mean_left
        angles[40:55] -= model.hand_mean_right

    def mixed(before: Array, joints: slice) -> Array:
        shape = before.shape
        new = np.where(changed[joints, None], angles[joints], before.reshape(-1, 3))
        return new.astype(np.float32).reshape(shape)

    return replace(
        known, body_pose=mixed(known.body_pose, slice(1, 22)), jaw=mixed(known.jaw, slice(22, 23)),
        left_hand_pose=mixed(known.left_hand_pose, slice(25, 40)),
        right_hand_pose=mixed(known.right_hand_pose, slice(40, 55)),
        betas=betas, expression=expression, rotation=rotation, translation=translation)


def _object_state(item: bpy.types.Object, known: ObjectState, depsgraph: bpy.types.Depsgraph,
                  into_camera: Array) -> ObjectState:
    matrix = into_camera @ np.array(surface.seen(item, depsgraph).matrix_world, np.float64)
    linear = axes.WORLD_FROM_CAMERA.T @ matrix[:3, :3] @ axes.LOCAL_FROM_REST
    stretches = np.linalg.svd(linear, compute_uv=False)
    if np.linalg.det(linear) <= 0 or stretches[0] > (1 + armature.STRETCH) * stretches[-1]:
        raise InputError(f'"{item.name}" cannot be read back.', "It is mirrored, flat, or longer along one axis.",
                         "Apply its scale (Ctrl A > Scale), and try again.")
    scale, rotation = float(np.cbrt(np.linalg.det(linear))), nearest_rotation(linear)
    translation = matrix[:3, 3] @ axes.WORLD_FROM_CAMERA
    turned = rotation_degrees(np.asarray(known.rotation, np.float64), rotation) > SAME_ANGLE
    moved = np.abs(translation - known.translation).max() > SAME_PLACE
    grown = abs(scale / known.scale - 1) > SAME_PLACE
    if not (turned or moved or grown):
        return known
    return ObjectState(rotation.astype(np.float32) if turned else known.rotation,
                       translation.astype(np.float32) if moved else known.translation,
                       float(np.float32(scale)) if grown else known.scale)


def _seen(item: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Mesh:
    evaluated = surface.seen(item, depsgraph)
    seen = evaluated.to_mesh()
    try:
        if len(seen.vertices) != len(item.data.vertices):
            raise InputError(f'"{item.name}" cannot be measured.', "A modifier changes how many vertices it has.",
                             "Switch it off in the viewport, or apply it.")
        points, faces = mesh.points(seen), mesh.triangles(seen)
    finally:
        evaluated.to_mesh_clear()
    world = np.array(evaluated.matrix_world, np.float64)
    return Mesh((points @ world[:3, :3].T + world[:3, 3]).astype(np.float32), faces)


def _field(made: Imported) -> InterField | None:
    """What the meshes carry, or None when an attribute is missing."""
    if not all(fields.available(made, name) for name in (attributes.FIELD, attributes.DISTANCE, attributes.INSIDE)):
        return None
    return fields.read(made)
