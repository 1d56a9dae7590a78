"""Prove a bundle: its files and signatures, its golden outputs, and that it samples what torch samples."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lexis_core.body import BodyModel, default_body
from lexis_core.errors import BundleError, InputError
from lexis_core.runtime import golden
from lexis_core.runtime.bundle import HALF, default_bundle_folder, open_bundle
from lexis_core.runtime.session import Sessions

MODELS = ("detector", "landmarks", "encoder", "context", "step", "decoder", "guide")
MOST = 1e-4     # of every number of the states, and of each call's outputs
TIED = 1e-2     # of a step of guidance: of two points that are equally near rounding chooses, and later steps make up
MOST_MM = 1.0   # of posed vertices and of the object's points
RUNS = ((1, True), (3, True), (1, False), (3, False))  # pictures at once; from a start or from noise
# Rounding to half moves the states as landmarks do that are seen a hundredth of a pixel elsewhere; a tenth of a pixel
# moves them by 3 mm in the median. What is beyond that is no rounding.
HALF_MOST_MM, HALF_MEDIAN_MM, HALF_PICTURES = 5.0, 1.0, 8


def verify(folder: Path, weights: Path | None) -> bool:
    """Print what is checked and how far off it is; whether all of it holds.

    weights : what the bundle was made from, to compare with torch; None leaves that out
    Raises BundleError where the bundle's files, signatures or golden outputs are wrong, InputError for other weights.
    """
    bundle = open_bundle(folder, hard_links=folder.resolve() == default_bundle_folder())
    if missing := [name for name in MODELS if name not in bundle.models]:
        raise BundleError(f"The model bundle {folder} cannot be used.", f"It lacks {', '.join(missing)}.",
                          "Write it again with python -m onnx_export.")
    print(f"{len(bundle.models)} models: files, sizes, digests and signatures are those of bundle.json")
    sessions = Sessions(bundle, "cpu")
    for model, gap in golden.check(bundle, sessions).items():
        print(f"golden {model:8} {gap:.1e}")
    if weights is None or find_spec("torch") is None:
        print("not compared with torch" + ("" if weights is None else ", which is not installed")
              + (f"; {HALF} not compared with step" if HALF in bundle.models else ""))
        return True
    from onnx_export.bundle import training_of

    if bundle.lexis.get("training") != training_of(weights):
        raise InputError(f"The bundle {folder} cannot be compared with torch.", f"{weights} holds other weights.",
                         "Give the folder it was made from (--checkpoint), or leave this out (--without-parity).")
    good = _parity(sessions, weights)
    print("all within bounds" if good else f"OUT OF BOUNDS, which are {MOST:.0e} of states and {MOST_MM} mm")
    return (HALF not in bundle.models or half_is_near(sessions)) and good


def _parity(sessions: Sessions, weights: Path) -> bool:
    import torch

    from lexis_core.learn.sampler import load_flow, ready
    from onnx_export.parity import Scenes

    torch.set_num_threads(1)
    loaded, good = load_flow(weights), True
    with tempfile.TemporaryDirectory() as temporary:
        scenes = Scenes(Path(temporary), max(count for count, _ in RUNS))
        for body, model in _bodies():
            flow = ready(loaded.net, loaded.flow, loaded.encoder, model)
            for count, star in RUNS:
                gaps = scenes.gaps(sessions, flow, model, count, star)
                steady = gaps.steady
                rows = {"guided": gaps.guided, "mm": gaps.millimetres}
                worst = {name: float(np.max(values[steady], initial=0)) for name, values in rows.items()}
                good &= bool(calls_hold(gaps.calls) and gaps.unguided.max() < MOST and worst["guided"] < MOST
                             and worst["mm"] < MOST_MM)
                print(f"{body}, batch {count}, {'11 steps from a start' if star else '25 steps from noise'}")
                print("   each call      " + "  ".join(f"{name} {gap:.1e}" for name, gap in gaps.calls.items()))
                print(f"   unguided end   {gaps.unguided.max():.1e}")
                print(f"   guided end     {worst['guided']:.1e}, {worst['mm']:.4f} mm, of the {steady.sum()} of "
                      f"{len(steady)} that are steady in torch")
                if not steady.all():
                    unsteady = (values[~steady].max() for values in (gaps.guided, gaps.millimetres, gaps.own))
                    print("   the others     {:.1e}, {:.1f} mm; torch from itself {:.1e}".format(*unsteady))
    return good


def calls_hold(gaps: Mapping[str, float]) -> bool:
    """Whether no call's answer, by graph, is further from torch's than it may be."""
    return all(gap < (TIED if name == "guide" else MOST) for name, gap in gaps.items())


def half_is_near(sessions: Sessions, pictures: int = HALF_PICTURES) -> bool:
    """Whether the step in half precision puts bodies and objects where the step in single precision does; prints it."""
    from onnx_export.parity import Scenes

    with tempfile.TemporaryDirectory() as temporary:
        scenes = Scenes(Path(temporary), pictures)
        found = {name: scenes.half_gaps(sessions, default_body(), pictures, star)
                 for name, star in (("11 steps from a start", True), ("25 steps from noise", False))}
    for name, gaps in found.items():
        print(f"{HALF}, {name}, unguided: median {np.median(gaps):.2f} mm, at most {gaps.max():.2f} mm, of "
              f"{len(gaps)}")
    good = all(np.median(gaps) < HALF_MEDIAN_MM and gaps.max() < HALF_MOST_MM for gaps in found.values())
    print(f"{HALF}: within bounds" if good else
          f"{HALF}: OUT OF BOUNDS, which are {HALF_MEDIAN_MM} mm in the median and {HALF_MOST_MM} mm at most")
    return good


def _bodies() -> Iterator[tuple[str, BodyModel]]:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "data"))
    from synthetic_smplx import smplx_like

    yield "the default body", default_body()
    yield "a body in SMPL-X's format", smplx_like(pose_dirs=False)
