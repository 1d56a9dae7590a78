"""Any photo is read or refused in plain words; the person in it is where mediapipe itself sees them."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.observe import camera_of, observe, open_networks, read_image, read_mask
from lexis_core.observe.image import Photo
from lexis_core.observe.landmarks import look, person_mask, refined
from lexis_core.observe.masks import box_of, check_box, clean
from lexis_core.observe.object_mask import cut_object
from lexis_core.observe.region import Region, region_from_points

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "lexis_core" / "data" / "demo"
REAL = ROOT.parent / "shared" / "real"
REFERENCE = json.loads((ROOT / "tests" / "data" / "mediapipe_landmarks.json").read_text())["photos"]
REFERENCE_SIZE = {name: (values["width"], values["height"]) for name, values in REFERENCE.items()}
PHOTOS = {"camera": DEMO / "camera.png"} | {
    name: REAL / name / "image.jpg" for name in ("open3dhoi_basket", "skateboard", "behave_chair")}
MASKS = {name: path.parent / ("person_mask.jpg" if name == "behave_chair" else "person_mask.png")
         for name, path in PHOTOS.items()}


@pytest.fixture(scope="module")
def networks():
    return open_networks("cpu")


@pytest.fixture(scope="module")
def unaided(networks):
    """What is seen in a photo without any help, each photo looked at once."""
    return functools.cache(lambda name: observe(photo(name), networks=networks))


@pytest.fixture(scope="module")
def man():
    return read_image(DEMO / "camera.png").pixels


def photo(name: str) -> Path:
    if not PHOTOS[name].exists():
        pytest.skip("the real photos are not ours to publish and are not here (../shared/real)")
    return PHOTOS[name]


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and ends before its first pixel."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return (b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))
            + struct.pack(">I", 1000) + b"IDAT")


def with_exif(orientation: int = 1, millimetres: int = 0, recorded: tuple[int, int] = (0, 0)) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({0xA405: millimetres, 0xA002: recorded[0], 0xA003: recorded[1]})
    return exif


GRADIENT = Image.fromarray(np.stack(np.broadcast_arrays(
    np.arange(48, dtype=np.uint8)[:, None] * 5, np.arange(64, dtype=np.uint8) * 4, np.uint8(30)), -1))




def test_every_mode_of_image_becomes_upright_rgb():
    grey = np.asarray(GRADIENT.convert("L"))
    for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16", "I", "F", "CMYK", "YCbCr"):
        if mode.startswith(("I", "F")):
            image = Image.fromarray({"I;16": grey.astype(np.uint16) * 257, "I": grey.astype(np.int32) * 257,
                                     "F": grey.astype(np.float32) / 255}[mode])
            expected = np.repeat(grey[..., None], 3, -1)
        else:
            image = GRADIENT.convert(mode)
            expected = np.asarray(image.convert("RGB"))
        pixels = read_image(encoded(image, "TIFF")).pixels
        assert pixels.dtype == np.uint8 and pixels.shape == (48, 64, 3) and pixels.flags.c_contiguous
        assert np.abs(pixels.astype(int) - expected).max() <= 1, mode


def test_what_is_transparent_becomes_white():
    image = Image.new("RGBA", (40, 40), (200, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 20, 40))
    for data in (encoded(image), encoded(image.convert("P")), encoded(image.convert("RGB"), transparency=(0, 0, 0))):
        pixels = read_image(data).pixels
        assert (pixels[:, :20] == 255).all() and (pixels[:, 20:] == (200, 0, 0)).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_common_files_are_read_from_disk_and_from_bytes(kind, tmp_path):
    (tmp_path / "photo").write_bytes(encoded(GRADIENT, kind))
    pixels = read_image(tmp_path / "photo").pixels
    assert np.array_equal(pixels, read_image(str(tmp_path / "photo")).pixels)
    assert np.array_equal(pixels, read_image((tmp_path / "photo").read_bytes()).pixels)
    assert np.abs(pixels.astype(int) - np.asarray(GRADIENT)).mean() < 4


def test_arrays_are_taken_as_they_are():
    pixels = np.asarray(GRADIENT)
    assert np.array_equal(read_image(pixels).pixels, pixels)
    assert np.array_equal(read_image(pixels / 255).pixels, pixels)
    assert read_image(pixels[..., 0]).pixels.shape == (48, 64, 3)
    for wrong in (pixels.astype(np.int64), pixels / 25, np.full((40, 40, 3), np.nan), np.zeros((40, 40, 5), np.uint8),
                  np.zeros(40, np.uint8), np.zeros((0, 0, 3), np.uint8), np.zeros((2, 40, 40, 3), np.uint8)):
        with pytest.raises(InputError):
            read_image(wrong)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sideways_photos_are_turned_upright(orientation):
    turns = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.swapaxes(0, 1),
             6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: np.rot90}
    stored = np.asarray(GRADIENT)
    found = read_image(encoded(GRADIENT, exif=with_exif(orientation)))
    assert np.array_equal(found.pixels, turns[orientation](stored))


def test_the_focal_length_comes_from_exif_by_the_diagonal():
    image = Image.new("RGB", (360, 240))
    found = read_image(encoded(image, "JPEG", exif=with_exif(millimetres=50)))
    assert found.focal == pytest.approx(500)  # on 36 x 24 mm film, 10 pixels are a millimetre
    assert "500 pixels" in found.notes[0]
    assert read_image(encoded(image, "JPEG", exif=with_exif(6, 50))).focal == pytest.approx(500)
    assert read_image(encoded(image, "JPEG", exif=with_exif(millimetres=0))).focal is None
    cropped = read_image(encoded(image, "JPEG", exif=with_exif(millimetres=50, recorded=(4000, 3000))))
    assert cropped.focal is None and "cropped" in cropped.notes[0]


def test_the_focal_length_given_beats_exif_beats_the_default():
    of_file = Photo(np.zeros((240, 360, 3), np.uint8), focal=500.0)
    assert camera_of(of_file, 700)[0].focal == (700.0, 700.0)
    assert camera_of(of_file, None)[0].focal == (500.0, 500.0)
    camera, notes = camera_of(Photo(of_file.pixels), None)
    assert camera.focal == Camera.of_image(360, 240).focal and "not known" in notes[0]
    for focal in (0, -3, np.nan, np.inf):
        with pytest.raises(InputError, match="focal"):
            camera_of(of_file, focal)


def test_the_first_frame_of_a_film_is_used_and_said():
    frames = [GRADIENT.convert("P"), Image.new("P", GRADIENT.size)]
    found = read_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert "2 frames" in found.notes[0]
    assert np.array_equal(found.pixels, read_image(encoded(frames[0], "GIF")).pixels)


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "empty"),
    (b"not an image at all", "not an image"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not an image"),
    (encoded(GRADIENT)[:-30], "damaged"),
    (encoded(GRADIENT, "JPEG")[:400], "damaged"),
    (encoded(GRADIENT.resize((20, 20))), "20 x 20"),
    (png_header(100_000, 100_000), "million"),
    (png_header(9_000, 9_000), "9000 x 9000"),
    (png_header(20_000, 40), "16384 a side"),
    (png_header(64, 48), "damaged"),
])
def test_what_is_no_usable_photo_is_refused_with_the_reason(data, reason, tmp_path):
    """The bombs here have no pixels at all, so the size must have been checked before decoding."""
    (tmp_path / "photo.png").write_bytes(data)
    for source in (tmp_path / "photo.png", data):
        with pytest.raises(InputError) as refused:
            read_image(source)
        assert reason in str(refused.value)
        assert all(sentence.endswith(".") for sentence in str(refused.value).splitlines())


def test_a_real_bomb_is_refused_and_the_global_limit_of_pillow_stays(tmp_path):
    Image.new("1", (16_000, 16_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(InputError, match="too large"):
        read_image(tmp_path / "bomb.png")
    assert limit == Image.MAX_IMAGE_PIXELS


def test_paths_that_lead_nowhere_are_refused(tmp_path):
    for path, reason in ((tmp_path / "missing.jpg", "no such file"), (tmp_path, "folder"), ("nul\0.png", "null")):
        with pytest.raises(InputError, match=reason):
            read_image(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"]), data=st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(kind, data):
    options = {"exif": with_exif(6, 28)} if kind in ("JPEG", "PNG", "TIFF") else {}
    whole = bytearray(encoded(GRADIENT, kind, **options))
    for _ in range(data.draw(st.integers(0, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[:data.draw(st.integers(0, len(whole)))])
    for read in (read_image, lambda file: read_mask(file, 64, 48, "the mask")):
        with contextlib.suppress(InputError):
            read(damaged)




def test_masks_of_every_kind_say_the_same():
    inside = np.zeros((48, 64), bool)
    inside[10:30, 20:50] = True
    grey = Image.fromarray(inside.astype(np.uint8) * 255)
    palette = Image.fromarray(inside.astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    cut_out = Image.fromarray(np.dstack([np.full((48, 64, 3), 17, np.uint8), inside.astype(np.uint8) * 255]))
    kinds = [encoded(grey), encoded(grey.convert("1")), encoded(grey.convert("RGB"), "JPEG", quality=70),
             encoded(Image.fromarray(inside.astype(np.uint8))), encoded(palette), encoded(cut_out),
             encoded(Image.fromarray(inside.astype(np.uint16) * 65535)),
             inside, inside.astype(np.float32), inside.astype(np.uint8), inside.astype(np.uint8)[..., None] * 255]
    for number, kind in enumerate(kinds):
        assert np.array_equal(read_mask(kind, 64, 48, "the mask"), inside), number


@pytest.mark.parametrize(("mask", "reason"), [
    (np.zeros((48, 64), bool), "empty"),
    (np.zeros((48, 64), np.uint8), "empty"),
    (np.ones((48, 63), bool), "63 x 48 pixels, the photo 64 x 48"),
    (np.ones((64, 48), bool), "turned by 90 degrees"),
    (np.full((48, 64), np.nan), "NaN"),
    (np.ones((48, 64, 3), bool), "48, 64, 3"),
    (b"no image", "not an image"),
])
def test_masks_that_do_not_fit_are_refused(mask, reason):
    with pytest.raises(InputError) as refused:
        read_mask(mask, 64, 48, "the object mask")
    assert reason in str(refused.value) and "bject mask" in refused.value.what


@pytest.mark.parametrize("box", [(1, 2, 3), (1, 2, 3, "a"), None, (30, 5, 10, 40), (5, 5, 5, 40), (0, 0, np.nan, 9),
                                 (100, 100, 200, 200), (-50, 0, 4, 48)])
def test_boxes_that_enclose_nothing_of_the_photo_are_refused(box):
    with pytest.raises(InputError, match="box"):
        check_box(box, 64, 48, "the box")


def test_boxes_are_cut_at_the_border():
    assert check_box((-5, 10, 100, 40), 64, 48, "the box") == (0, 10, 64, 40)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.5), st.floats(0, 0.5))
def test_cleaning_keeps_large_parts_and_closes_small_holes(seed, part, hole):
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((40, 50)), 2) > 0.05
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    largest = sizes[1:].max()
    expected = mask & (sizes[labels] >= part * largest)
    holes, _ = ndimage.label(~expected, np.ones((3, 3)))
    expected |= (np.bincount(holes.ravel())[holes] < hole * largest) & ~expected
    assert np.array_equal(clean(mask, part, hole), expected)


def test_grabcut_finds_a_ball_in_its_box_and_leaves_the_person_out():
    rows, columns = np.indices((120, 160))
    ball = (rows - 60) ** 2 + (columns - 80) ** 2 < 30**2
    person = columns < 65
    noise = np.random.default_rng(0).integers(0, 20, (120, 160, 3), dtype=np.uint8)
    image = np.where(ball[..., None], (200, 40, 40), (40, 150, 60)).astype(np.uint8) + noise
    found = cut_object(image, (45, 25, 115, 95), person)
    truth = ball & ~person
    assert (found & truth).sum() / (found | truth).sum() > 0.95
    assert not (found & person).any()
    assert np.array_equal(found, cut_object(image, (45, 25, 115, 95), person))
    for box, everyone, reason in (((10, 10, 50, 110), person, "fills the whole box"),
                                  ((0, 0, 160, 120), np.zeros_like(person), "whole photo")):
        with pytest.raises(InputError, match=reason):
            cut_object(image, box, everyone)


def test_nothing_in_the_box_is_said(man):
    with pytest.raises(InputError, match="object mask is empty"):
        cut_object(np.full((100, 100, 3), 90, np.uint8), (20, 20, 80, 80), np.zeros((100, 100), bool))




def test_turning_the_photo_turns_everything_that_is_seen(networks, man):
    """The crop of a turned photo by a turned region is the same crop, so this holds to rounding."""
    a = look(networks.landmarks, man, Region(150, 300, 700, 0.2))
    b = look(networks.landmarks, np.ascontiguousarray(np.rot90(man)), Region(300, 512 - 150, 700, 0.2 - np.pi / 2))
    turned = np.stack([a.landmarks[:, 1], 512 - a.landmarks[:, 0]], -1)
    np.testing.assert_allclose(b.landmarks, turned, atol=1)
    np.testing.assert_allclose(b.world, np.stack([a.world[:, 1], -a.world[:, 0], a.world[:, 2]], -1), atol=0.01)
    masks = person_mask(b, 512, 512), np.rot90(person_mask(a, 512, 512))
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.98


def test_a_region_stands_on_its_two_points():
    region = region_from_points(np.array([100.0, 50.0]), np.array([140.0, 50.0]))
    assert (region.x, region.y, region.side) == (100, 50, 100)
    assert region.angle == pytest.approx(np.pi / 2)  # the head lies to the right
    up = region.to_image(256) @ [128, 0, 1]
    np.testing.assert_allclose(up, [150, 50], atol=1e-9)


def test_heat_maps_move_landmarks_to_their_peak():
    cells = np.arange(64)
    maps = np.full((64, 64, 39), -20.0)
    maps[..., 0] = 6 - 4 * ((cells[:, None] - 30.5) ** 2 + (cells - 21.0) ** 2)
    points = np.full((39, 2), 128.0)
    points[0] = 21 * 4 + 2, 29 * 4 + 2
    points[1] = -5, 300
    moved = refined(points, maps)
    np.testing.assert_allclose(moved[0] / 4, (21.0, 30.5), atol=0.05)
    np.testing.assert_array_equal(moved[1:], points[1:])


@pytest.mark.parametrize("name", PHOTOS)
def test_landmarks_agree_with_the_mediapipe_package(name, unaided):
    seen, theirs = unaided(name), REFERENCE[name]["settled"]
    assert seen.image.shape[1::-1] == REFERENCE_SIZE[name]
    points = np.array(theirs["landmarks"])[:, :2] * REFERENCE_SIZE[name]
    sure = (np.array(theirs["landmarks"])[:, 2] > 0.5) & (seen.confidence[:33] > 0.5)
    assert sure.sum() >= 15
    distance = (np.linalg.norm(seen.landmarks[:33] - points, axis=1) / np.ptp(points[:, 1]))[sure]
    world = np.linalg.norm(seen.landmarks_world[:33] - np.array(theirs["world"]), axis=1)[sure]
    share = seen.person_mask.mean()
    print(f"{name}: {sure.sum()} landmarks differ by {np.median(distance):.2%} of the person's height in the median, "
          f"{np.percentile(distance, 90):.2%} at the 90th percentile; world by {np.median(world) * 100:.1f} cm; "
          f"mask covers {share:.1%}, mediapipe's {theirs['mask_share']:.1%}")
    assert np.median(distance) < 0.03
    assert np.median(world) < 0.06
    assert abs(share - theirs["mask_share"]) < 0.05 * theirs["mask_share"] + 0.01


@pytest.mark.parametrize("name", PHOTOS)
def test_the_network_mask_agrees_with_the_mask_someone_drew(name, unaided):
    seen = unaided(name).person_mask
    drawn = read_mask(MASKS[name], seen.shape[1], seen.shape[0], "the person mask")
    overlap = (seen & drawn).sum() / (seen | drawn).sum()
    print(f"{name}: intersection over union {overlap:.3f}")
    assert overlap > 0.7


@pytest.mark.parametrize("name", PHOTOS)
def test_a_mask_and_a_box_lead_to_the_same_person(name, networks, unaided):
    path, free = photo(name), unaided(name)
    masked = observe(path, person_mask=MASKS[name], networks=networks)
    boxed = observe(path, box=box_of(masked.person_mask), networks=networks)
    height = np.ptp(free.landmarks[:33, 1])
    for seen in (masked, boxed):
        assert np.median(np.linalg.norm(seen.landmarks - free.landmarks, axis=1)) < 0.06 * height
    drawn = read_mask(MASKS[name], *free.image.shape[1::-1], "the person mask")
    assert np.array_equal(masked.person_mask, drawn)


def test_an_observation_has_the_shapes_it_promises(networks):
    seen = observe(DEMO / "camera.png", DEMO / "person_mask.png", DEMO / "tripod_mask.png", networks=networks)
    again = observe(DEMO / "camera.png", DEMO / "person_mask.png", DEMO / "tripod_mask.png", networks=networks)
    assert seen.image.shape == (512, 512, 3) and seen.camera.width == seen.camera.height == 512
    assert (seen.landmarks.shape, seen.landmarks_world.shape, seen.confidence.shape) == ((39, 2), (39, 3), (39,))
    for values in (seen.landmarks, seen.landmarks_world, seen.confidence):
        assert values.dtype == np.float32 and np.isfinite(values).all()
    assert seen.confidence.min() >= 0 and seen.confidence.max() <= 1
    assert np.linalg.norm(seen.landmarks_world[23:25].mean(0)) < 0.02  # the middle of the hips
    assert not (seen.person_mask & seen.object_mask).any()
    assert np.array_equal(seen.landmarks, again.landmarks)


def test_many_looks_bring_the_wrist_to_the_hand_and_mark_what_is_guessed(networks):
    seen = observe(DEMO / "camera.png", DEMO / "person_mask.png", networks=networks)
    left_wrist, left_knee = 15, 25  # the knee is behind the coat and the other leg
    hand_at_the_camcorder = (298, 208)
    assert np.linalg.norm(seen.landmarks[left_wrist] - hand_at_the_camcorder) < 25
    assert seen.confidence[left_knee] < 0.2 < seen.confidence[left_wrist]


def test_a_given_object_mask_takes_its_pixels_from_the_network_mask(networks, man):
    thing = np.zeros((512, 512), bool)
    thing[150:250, 150:250] = True
    seen = observe(man, object_mask=thing, networks=networks)
    assert np.array_equal(seen.object_mask, thing) and not (seen.person_mask & thing).any()
    drawn = read_mask(DEMO / "person_mask.png", 512, 512, "the person mask")
    seen = observe(man, person_mask=drawn, object_mask=thing, networks=networks)
    assert np.array_equal(seen.person_mask, drawn) and np.array_equal(seen.object_mask, thing & ~drawn)
    with pytest.raises(InputError, match="object mask is empty"):
        observe(man, person_mask=drawn, object_mask=drawn, networks=networks)


@pytest.mark.parametrize(("name", "least"), [("camera", 0.25), ("open3dhoi_basket", 0.9), ("skateboard", 0.5)])
def test_grabcut_cuts_the_object_out_of_its_box(name, least):
    path = photo(name)
    size = REFERENCE_SIZE[name]
    truth = read_mask(path.parent / ("tripod_mask.png" if name == "camera" else "object_mask.png"), *size, "the mask")
    found = cut_object(read_image(path).pixels, box_of(truth), read_mask(MASKS[name], *size, "the person mask"))
    overlap = (found & truth).sum() / (found | truth).sum()
    print(f"{name}: intersection over union {overlap:.3f}")
    assert overlap > least


def test_the_object_comes_from_its_box(networks, unaided):
    seen = observe(PHOTOS["camera"], object_box=(225, 130, 410, 512), networks=networks)
    assert seen.object_mask.any() and not (seen.object_mask & seen.person_mask).any()
    assert "GrabCut" in seen.notes[-1]
    assert unaided("camera").object_mask is None


def test_of_two_people_the_larger_is_taken_and_said_and_a_box_takes_the_other(networks, man):
    small = np.asarray(Image.fromarray(man).resize((330, 330)))
    both = np.full((512, 512 + 330, 3), 200, np.uint8)
    both[:, 330:], both[182:, :330] = man, small
    seen = observe(both, networks=networks)
    assert box_of(seen.person_mask)[0] >= 300
    assert "2 people" in seen.notes[-1] and "box" in seen.notes[-1]
    other = observe(both, box=(0, 220, 215, 512), networks=networks)
    assert box_of(other.person_mask)[2] <= 330
    assert not any("people" in note for note in other.notes)


def test_nobody_is_an_error_that_names_the_way_out(networks, man):
    lawn = man[300:, 400:]
    for image, options in ((lawn, {}), (np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8), {}),
                           (np.full((64, 64, 3), 128, np.uint8), {}), (man, {"box": (400, 300, 500, 500)})):
        with pytest.raises(InputError) as refused:
            observe(image, networks=networks, **options)
        assert refused.value.what == "No person was found."
        assert "box" in refused.value.remedy or "encloses" in refused.value.remedy
