"""The rasteriser draws what an independent scan conversion and an independent ray caster see."""

import numpy as np
import trimesh
from skimage.draw import polygon2mask

from lexis_core.camera import Camera
from lexis_core.draw import orbit, overlay, ramp
from lexis_core.mesh import Mesh
from lexis_core.raster import rasterise, silhouette, silhouettes

SIZE = 64


def mesh_of(shape: trimesh.Trimesh, depth: float) -> Mesh:
    return Mesh((shape.vertices + [0, 0, depth]).astype(np.float32), shape.faces.astype(np.int32))


def first_hit(ray: np.ndarray, mesh: Mesh) -> float:
    """Depth where a ray from the origin first meets the mesh, by Cramer's rule on every triangle."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
    det = np.einsum("fk,fk->f", np.cross(b - a, c - a), np.broadcast_to(ray, a.shape))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.einsum("fk,fk->f", np.cross(b - a, c - a), a) / det
        u = np.einsum("k,fk->f", ray, np.cross(c, a)) / det
        v = np.einsum("k,fk->f", ray, np.cross(a, b)) / det
    hits = t[(u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)]
    return hits.min() * ray[2] if len(hits) else np.inf


def test_a_triangle_covers_the_pixels_whose_centres_lie_in_it():
    rng = np.random.default_rng(0)
    for _ in range(50):
        corners = rng.uniform(-10, SIZE + 10, (3, 2))
        drawn = silhouette(corners, np.array([[0, 1, 2]]), SIZE, SIZE)
        expected = polygon2mask((SIZE, SIZE), corners[:, ::-1] - 0.5)
        assert (drawn != expected).sum() <= 2  # a centre on an edge, to rounding


def test_neighbouring_triangles_neither_overlap_nor_gape():
    rng = np.random.default_rng(1)
    points = np.concatenate([[[0, 0], [SIZE, 0], [SIZE, SIZE], [0, SIZE]], rng.uniform(1, SIZE - 1, (60, 2))])
    from scipy.spatial import Delaunay
    count = sum(silhouette(points, face[None], SIZE, SIZE).astype(int) for face in Delaunay(points).simplices)
    assert (count == 1).all()


def test_the_nearest_surface_and_its_depth_agree_with_ray_casting():
    camera = Camera(SIZE, SIZE, (70.0, 65.0), (30.0, 35.0))
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.6)
    box = trimesh.creation.box((1.6, 0.3, 0.9))
    scene = trimesh.util.concatenate([ball, box])
    mesh = mesh_of(scene, 2.5)
    face, depth = rasterise(camera.project(mesh.vertices), mesh.vertices[:, 2], mesh.faces, SIZE, SIZE)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    rays = camera.lift(np.stack([columns + 0.5, rows + 0.5], -1).reshape(-1, 2).astype(float), np.ones(SIZE * SIZE))
    expected = np.array([first_hit(ray, mesh) for ray in rays])
    seen = np.isfinite(expected)
    assert ((face.ravel() >= 0) != seen).sum() <= 3
    both = seen & (face.ravel() >= 0)
    assert np.abs(depth.ravel()[both] - expected[both]).max() < 2e-3


def test_a_batch_of_silhouettes_equals_each_drawn_alone():
    shape = trimesh.creation.icosphere(subdivisions=2)
    rng = np.random.default_rng(2)
    pixels = shape.vertices[:, :2] * rng.uniform(5, 30, (6, 1, 2)) + rng.uniform(0, SIZE, (6, 1, 2))
    together = silhouettes(pixels, shape.faces, SIZE, SIZE)
    for one, points in zip(together, pixels, strict=True):
        assert (one == silhouette(points, shape.faces, SIZE, SIZE)).all()


def test_points_behind_the_camera_leave_their_faces_out():
    camera = Camera.of_image(SIZE, SIZE)
    points = np.array([[0, 0, 1.0], [0.3, 0, 1.0], [0, 0.3, -1.0]])
    assert not silhouette(camera.project(points), np.array([[0, 1, 2]]), SIZE, SIZE).any()


def test_pictures_have_the_photos_size_and_show_the_mesh_where_it_projects():
    camera = Camera.of_image(80, 60)
    mesh = mesh_of(trimesh.creation.icosphere(radius=0.3), 2.0)
    photo = np.full((60, 80, 3), 90, np.uint8)
    picture = overlay(photo, [mesh], [(1.0, 0.0, 0.0)], camera)
    changed = (picture != photo).any(-1)
    assert picture.shape == photo.shape
    outline = silhouette(camera.project(mesh.vertices), mesh.faces, 80, 60)
    assert (changed & ~outline).sum() < 0.25 * outline.sum() and (outline & ~changed).sum() == 0
    frames = orbit([mesh], [ramp(np.linspace(0, 1, len(mesh.vertices)))], 4, 32)
    assert len(frames) == 4 and frames[0].shape == (32, 32, 3) and (frames[0] != frames[2]).any()
