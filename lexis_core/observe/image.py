"""Reading a photo that may be anything: a bomb, a fragment, sideways, of any mode; or no photo at all."""

from __future__ import annotations

import io
import math
import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lexis_core.errors import InputError

Array = np.ndarray

MAX_PIXELS = 64_000_000  # 192 MB decoded
MAX_SIDE = 16_384        # OpenCV's resampling ends at 32,767
MIN_SIDE = 32
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
SMALL_FILM_DIAGONAL = math.hypot(36.0, 24.0)  # mm; CIPA DCG-001 defines the 35 mm equivalent by the diagonal
EXIF_IFD, ORIENTATION, FOCAL_35MM, EXIF_WIDTH, EXIF_HEIGHT = 0x8769, 0x0112, 0xA405, 0xA002, 0xA003


@dataclass(frozen=True)
class Photo:
    """pixels : (H, W, 3) uint8 sRGB, upright; focal : pixels, or None when the file does not tell; notes : sentences"""

    pixels: Array
    focal: float | None = None
    notes: tuple[str, ...] = ()


def read_image(source: Path | str | bytes | Array) -> Photo:
    """A photo from a file, the bytes of a file, or an array (H, W), (H, W, 3) or (H, W, 4), uint8 or float in [0, 1].

    InputError when it is missing, not an image, damaged, smaller than MIN_SIDE, or larger than MAX_PIXELS.
    """
    if isinstance(source, np.ndarray):
        _check_size("the array", *source.shape[1::-1], smallest=MIN_SIDE)
        return Photo(_pixels_from_array(source))
    label = "the photo" if isinstance(source, bytes) else str(source)
    image, photo = open_image(source, label, MIN_SIDE)
    return replace(photo, pixels=np.ascontiguousarray(rgb_over_white(image)))


def open_image(source: Path | str | bytes, label: str, smallest: int = 1) -> tuple[Image.Image, Photo]:
    """The first frame, decoded and upright, in its own mode; and a Photo that still lacks its pixels.

    InputError as read_image.
    """
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), label, smallest)
    path = Path(source)
    try:
        if path.is_dir():
            raise InputError(f"{label} cannot be read.", "It is a folder.", "Give the path of an image file.")
        with open(path, "rb") as file:
            return _decode(file, label, smallest)
    except FileNotFoundError as error:
        raise InputError(f"{label} cannot be read.", "There is no such file.",
                         "Check the path; a relative one starts at the current folder.") from error
    except (OSError, ValueError) as error:  # no permission, a name no file can have
        raise InputError(f"{label} cannot be read.", f"The system says: {error}.",
                         "Check the path and that you may read the file.") from error


def rgb_over_white(image: Image.Image) -> Array:
    """Any mode of Pillow -> (H, W, 3) uint8; what is transparent becomes white, 16 bits become 8."""
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        return np.repeat(grey_levels(image)[..., None], 3, -1)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.asarray(image.convert("RGB"))


def grey_levels(image: Image.Image) -> Array:
    """One wide channel -> (H, W) uint8. Integers are 16 bits; floats span 0..1, or 0..255 when they exceed 1."""
    values = np.asarray(image)
    if image.mode == "F":
        values = np.nan_to_num(values, nan=0.0, posinf=255.0, neginf=0.0)
        values = values * 255 if values.max(initial=0) <= 1 else values
    else:
        values = values / 257
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _decode(file, label: str, smallest: int) -> tuple[Image.Image, Photo]:
    """Header first, size checked, then the pixels."""
    Image.init()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(file, formats=[f for f in FORMATS if f in Image.OPEN])
            _check_size(label, *image.size, smallest=smallest)
            notes = _frames_note(image, label)
            image.load()
            focal, upright, exif_notes = _read_exif(image, label)
            return upright, Photo(np.empty((0, 0, 3), np.uint8), focal, notes + exif_notes)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(label, str(error).rstrip(".")) from error
    except Image.UnidentifiedImageError as error:
        size = file.seek(0, os.SEEK_END)
        why = "The file is empty." if size == 0 else "It is not an image, or of a kind LEXIS does not read."
        raise InputError(f"{label} cannot be read as an image.", why,
                         "Save it as JPEG or PNG and try again.") from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise almost anything
        raise InputError(f"{label} cannot be read as an image.", f"The file is damaged or incomplete ({error}).",
                         "Open it in an image viewer and save it again, or get it again.") from error


def _frames_note(image: Image.Image, label: str) -> tuple[str, ...]:
    count = getattr(image, "n_frames", 1) if image.format != "MPO" else 1  # MPO: a photo and its preview
    return (f"{label} has {count} frames; the first one was used.",) if count > 1 else ()


def _read_exif(image: Image.Image, label: str) -> tuple[float | None, Image.Image, tuple[str, ...]]:
    """Focal length in pixels or None, the upright image, notes. Damaged EXIF costs only the EXIF."""
    try:
        exif = image.getexif()
        details = exif.get_ifd(EXIF_IFD)
        upright = ImageOps.exif_transpose(image) if exif.get(ORIENTATION, 1) != 1 else image
        millimetres = float(details.get(FOCAL_35MM) or 0)
        sides = sorted((float(details.get(EXIF_WIDTH) or 0), float(details.get(EXIF_HEIGHT) or 0)))
    except Exception:  # as with pixels: damaged tags raise almost anything
        return None, image, (f"The camera data (EXIF) in {label} is damaged and was left out.",)
    if not 4 <= millimetres <= 2000:
        return None, upright, ()
    short, long = sorted(upright.size)
    if sides[0] > 0 and abs(sides[0] / sides[1] - short / long) > 0.02:
        return None, upright, (f"{label} was cropped after it was taken, so the focal length in it was not used.",)
    focal = millimetres / SMALL_FILM_DIAGONAL * math.hypot(*upright.size)
    note = f"Focal length {focal:.0f} pixels, from the photo's EXIF ({millimetres:g} mm in 35 mm film)."
    return focal, upright, (note,)


def _pixels_from_array(array: Array) -> Array:
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or array.min(initial=0) < 0 or array.max(initial=0) > 1:
            raise InputError("The image array cannot be used.", "It holds numbers outside 0 to 1, or NaN.",
                             "Give float in [0, 1] or uint8.")
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))):
        raise InputError("The image array cannot be used.", f"It is {array.dtype} {array.shape}.",
                         "Give uint8 or float, (H, W), (H, W, 3) or (H, W, 4).")
    return np.ascontiguousarray(rgb_over_white(Image.fromarray(array.squeeze() if array.ndim == 3 else array)))


def _check_size(label: str, width: int = 0, height: int = 0, smallest: int = 1) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise _too_large(label, f"It has {width} x {height} pixels")
    if min(width, height) < smallest:
        raise InputError(f"{label} is too small.", f"It has {width} x {height} pixels.",
                         f"Give an image of at least {smallest} pixels a side.")


def _too_large(label: str, found: str) -> InputError:
    return InputError(f"{label} is too large.", f"{found}; LEXIS reads up to {MAX_PIXELS // 10**6} million, "
                      f"and {MAX_SIDE} a side.", "Make it smaller first; 2,000 pixels a side are plenty.")
