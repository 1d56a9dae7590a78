"""Make the landmark model of the default bundle again, from the mediapipe wheel.

    python -m pip download --no-deps --python-version 3.11 --only-binary :all: mediapipe==0.10.21
    python -m pip install -e ".[convert]"
    python -m onnx_export.landmarks --wheel mediapipe-0.10.21-*.whl

The network is read straight out of the wheel (a zip), because mediapipe itself pins older numpy and protobuf than
TensorFlow takes. Its weights are stored in half precision in the wheel already; the ONNX file keeps them so and casts
them to single precision when a session opens, so nothing is lost and the arithmetic stays in float32.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lexis_core.runtime.bundle import ModelEntry, TensorSpec, default_bundle_folder, seal_bundle

WHEEL_VERSION = "0.10.21"
TFLITE_NAME = "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"
TFLITE_SHA256 = "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
LICENSE_NAME = f"mediapipe-{WHEEL_VERSION}.dist-info/LICENSE"
OPSET = 16

INPUT = ("input_1", "image", (1, 256, 256, 3))
OUTPUTS = (  # name in the wheel, name in the bundle, shape
    ("Identity", "landmarks", (1, 195)),            # 39 x (x, y, z, visibility, presence), crop pixels
    ("Identity_1", "presence", (1, 1)),             # probability that a person is in the crop
    ("Identity_2", "person_mask", (1, 256, 256, 1)),  # logits
    ("Identity_3", "heatmaps", (1, 64, 64, 39)),    # logits, one map a landmark
    ("Identity_4", "world_landmarks", (1, 117)),    # 39 x (x, y, z), metres from the middle of the hips
)
# Crop pixels, metres, or for the three others probability. The raw logits of the mask reach -1,600, where float32
# itself differs by more than 1 from one TensorFlow Lite kernel to the next.
TOLERANCE = {"landmarks": 0.02, "presence": 1e-4, "person_mask": 0.02, "heatmaps": 1e-3, "world_landmarks": 1e-3}
LOGITS = ("person_mask", "heatmaps")

NOTICE = """landmarks.onnx is the BlazePose "full" landmark network of MediaPipe, converted to ONNX.

Copyright The MediaPipe Authors. Licensed under the Apache License, Version 2.0; the text is in LICENSE beside it.

Source:     the wheel mediapipe {wheel} from the Python Package Index, file {tflite}
SHA-256:    {sha256}
Conversion: tf2onnx {tf2onnx}, opset {opset}, by onnx_export/landmarks.py of this project.
Changes:    inputs and outputs renamed; the half-precision weights stay in half precision and are cast to single
            precision when the model is opened. The numbers it computes are those of the original.
"""


def main(arguments: list[str] | None = None) -> int:
    """Read the wheel, convert, check against TensorFlow Lite, write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, required=True, help=f"the file mediapipe-{WHEEL_VERSION}-*.whl")
    parser.add_argument("--out", type=Path, default=default_bundle_folder(), help="folder of the bundle")
    options = parser.parse_args(arguments)

    tflite, licence = read_wheel(options.wheel)
    model = store_weights_in_half(rename(convert(tflite)))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "landmarks.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (options.out / "LICENSE").write_bytes(licence)
    (options.out / "NOTICE").write_text(NOTICE.format(
        wheel=WHEEL_VERSION, tflite=TFLITE_NAME, sha256=TFLITE_SHA256, tf2onnx=version("tf2onnx"), opset=OPSET))
    seal_bundle(options.out, "lexis-default", {"landmarks": ModelEntry(
        file="landmarks.onnx", licence="Apache-2.0",
        inputs={INPUT[1]: TensorSpec("float32", INPUT[2])},
        outputs={name: TensorSpec("float32", shape) for _, name, shape in OUTPUTS})})

    worst = largest_differences(tflite, options.out / "landmarks.onnx")
    for name, difference in worst.items():
        print(f"{name:16s} largest difference to TensorFlow Lite {difference:.2e} (allowed {TOLERANCE[name]:.0e})")
    print(f"{options.out / 'landmarks.onnx'}: {(options.out / 'landmarks.onnx').stat().st_size:,} bytes")
    return int(any(difference > TOLERANCE[name] for name, difference in worst.items()))


def read_wheel(wheel: Path) -> tuple[bytes, bytes]:
    """The network and the licence text out of the wheel; stops when the network is not the one we know."""
    with zipfile.ZipFile(wheel) as archive:
        tflite, licence = archive.read(TFLITE_NAME), archive.read(LICENSE_NAME)
    found = hashlib.sha256(tflite).hexdigest()
    if found != TFLITE_SHA256:
        sys.exit(f"{wheel} holds another network ({found}).\nThis script knows mediapipe {WHEEL_VERSION} only.\n"
                 f"Download mediapipe=={WHEEL_VERSION}.")
    return tflite, licence


def convert(tflite: bytes):
    """TensorFlow Lite bytes -> onnx.ModelProto, by tf2onnx."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "model.tflite"), Path(folder, "model.onnx")
        source.write_bytes(tflite)
        subprocess.run([sys.executable, "-m", "tf2onnx.convert", "--tflite", str(source), "--opset", str(OPSET),
                        "--output", str(target)], check=True)
        return onnx.load(target)


def rename(model):
    """Give input and outputs the names of the bundle."""
    names = {INPUT[0]: INPUT[1]} | {old: new for old, new, _ in OUTPUTS}
    graph = model.graph
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    del graph.value_info[:]
    return model


def store_weights_in_half(model):
    """Store every float32 weight that half precision holds exactly as float16, followed by a Cast to float32.

    ONNX Runtime folds the casts when it opens the model, so they cost nothing later.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    kept, casts = [], []
    for initializer in graph.initializer:
        weight = numpy_helper.to_array(initializer)
        half = weight.astype(np.float16) if weight.dtype == np.float32 else None
        if half is not None and weight.size > 1 and np.array_equal(half.astype(np.float32), weight):
            stored = f"{initializer.name}_half"
            kept.append(numpy_helper.from_array(half, stored))
            casts.append(helper.make_node("Cast", [stored], [initializer.name], to=TensorProto.FLOAT))
        else:
            kept.append(initializer)
    nodes = [*casts, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    return model


def largest_differences(tflite: bytes, onnx_file: Path) -> dict[str, float]:
    """The largest absolute difference of each output between TensorFlow Lite and ONNX Runtime.

    The inputs are windows of the demo photograph and one of seeded noise.
    """
    import tensorflow as tf
    from PIL import Image
    from scipy.special import expit

    from lexis_core.runtime.session import Session

    photo = np.asarray(Image.open(default_bundle_folder().parent / "demo" / "camera.png").convert("RGB"), np.float32)
    crops = [photo[y:y + 256, x:x + 256] / 255 for y, x in ((0, 0), (64, 128), (200, 200))]
    crops += [photo[::2, ::2] / 255, np.random.default_rng(0).random((256, 256, 3), np.float32)]

    interpreter = tf.lite.Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    indices = {detail["name"]: detail["index"] for detail in interpreter.get_output_details()}
    session = Session(onnx_file, device="cpu")
    worst = dict.fromkeys(TOLERANCE, 0.0)
    for crop in crops:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], crop[None])
        interpreter.invoke()
        ours = session.run({"image": crop[None]})
        for old, new, _ in OUTPUTS:
            a, b = interpreter.get_tensor(indices[old]), ours[new]
            if new in LOGITS:
                a, b = expit(a), expit(b)
            worst[new] = max(worst[new], float(np.abs(a - b).max()))
    return worst


if __name__ == "__main__":
    sys.exit(main())
