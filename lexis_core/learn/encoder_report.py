"""How much of a picture the image encoder's tokens hold: errors of what is read from them."""

from __future__ import annotations

import torch
from torch import Tensor

from lexis_core.learn.encoder_labels import TOUCHING, Labels
from lexis_core.learn.views import OBJECT, PERSON

CURVES = (("millimetres", ("joints_mm", "place_mm")), ("degrees", ("pelvis_degrees",)),
          ("pixels of 224", ("pixels", "spot_pixels")),
          ("touch F1, mask IoU", ("touch_f1", "person_iou", "object_iou")), ("loss", ("validation_loss",)))


def errors_of(read: Labels, truth: Labels) -> dict[str, Tensor]:
    """Numbers of each picture, (N,); touch and masks as counts, see summary().

    joints_mm      : mean error of joints 1..21 from the pelvis, camera axes, neither turned nor scaled to fit
    pixels         : mean error of the 22 joints in the picture, pixels of 224; spot_pixels : of the object's origin
    pelvis_degrees : angle of the pelvis's rotation from the truth; turn_degrees : of the object's
    place_mm       : error of the object's origin from the pelvis
    """
    found = {
        "joints_mm": 1000 * (read.joints - truth.joints).norm(dim=-1)[:, 1:].mean(1),
        "pixels": 224 * (read.pixels - truth.pixels.clamp(-1, 1)).norm(dim=-1).mean(1),
        "pelvis_degrees": _angle(read.pelvis, truth.pelvis), "turn_degrees": _angle(read.turn, truth.turn),
        "place_mm": 1000 * (read.place - truth.place).norm(dim=-1),
        "spot_pixels": 224 * (read.spot - truth.spot.clamp(-1, 1)).norm(dim=-1),
    }
    said = read.touch > 0
    hits, either = (said & (truth.touch > 0.5)).float(), said.float() + truth.touch
    for k, part in enumerate(TOUCHING):
        found |= {f"{part} hits": hits[:, k], f"{part} either": either[:, k]}
    seen = read.masks.argmax(1)
    for name, value in (("person", PERSON), ("object", OBJECT)):
        a, b = seen == value, truth.masks == value
        found |= {f"{name} both": (a & b).sum((1, 2)).float(), f"{name} any": (a | b).sum((1, 2)).float()}
    return found


def summary(errors: dict[str, Tensor]) -> dict[str, float]:
    """Means over the pictures (the median for the object's rotation, which symmetric things do not have); touch_f1, the
    mean over the parts of each one's F1; person_iou and object_iou of the coarse masks, over all pictures together."""
    means = {name: float(errors[name].mean()) for name in ("joints_mm", "pixels", "pelvis_degrees", "place_mm",
                                                           "spot_pixels")}
    means["turn_degrees"] = float(errors["turn_degrees"].median())
    f1 = [2 * errors[f"{part} hits"].sum() / errors[f"{part} either"].sum().clamp(min=1) for part in TOUCHING]
    means["touch_f1"] = float(torch.stack(f1).mean())
    for name in ("person", "object"):
        means[f"{name}_iou"] = float(errors[f"{name} both"].sum() / errors[f"{name} any"].sum().clamp(min=1))
    return means


def _angle(a: Tensor, b: Tensor) -> Tensor:
    """Degrees between rotations (N, 3, 3)."""
    cosine = ((a * b).sum((1, 2)) - 1) / 2
    return torch.rad2deg(cosine.clamp(-1, 1).acos())
