"""Make the person detector and the landmark model of the default bundle again, from the mediapipe wheel.

    python -m pip download --no-deps --python-version 3.11 --only-binary :all: mediapipe==0.10.21
    python -m pip install -e ".[convert]"
    python -m onnx_export.landmarks --wheel mediapipe-0.10.21-*.whl --out person

The networks are read straight out of the wheel (a zip), because mediapipe itself pins older numpy and protobuf than
TensorFlow takes. Their weights are stored in half precision in the wheel already; the ONNX files keep them so and cast
them to single precision when a session opens, so nothing is lost and the arithmetic stays in float32.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lexis_core.runtime.bundle import ModelEntry, TensorSpec, default_bundle_folder, seal_bundle

WHEEL_VERSION = "0.10.21"
LICENSE_NAME = f"mediapipe-{WHEEL_VERSION}.dist-info/LICENSE"
OPSET = 16


@dataclass(frozen=True)
class Network:
    """A network of the wheel and the names its tensors get: {name in the wheel: (name in the bundle, shape)}."""

    tflite: str
    sha256: str
    inputs: dict[str, tuple[str, tuple[int, ...]]]
    outputs: dict[str, tuple[str, tuple[int, ...]]]


NETWORKS = {
    "detector": Network(
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        {"input_1": ("image", (1, 224, 224, 3))},           # in [-1, 1]
        {"Identity": ("boxes", (1, 2254, 12)),              # face box and 4 points, crop pixels from each anchor
         "Identity_1": ("scores", (1, 2254, 1))},           # logits
    ),
    "landmarks": Network(
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        {"input_1": ("image", (1, 256, 256, 3))},           # in [0, 1]
        {"Identity": ("landmarks", (1, 195)),               # 39 x (x, y, z, visibility, presence), crop pixels
         "Identity_1": ("presence", (1, 1)),                # probability that a person is in the crop
         "Identity_2": ("person_mask", (1, 256, 256, 1)),   # logits
         "Identity_3": ("heatmaps", (1, 64, 64, 39)),       # logits, one map a landmark
         "Identity_4": ("world_landmarks", (1, 117))},      # 39 x (x, y, z), metres from the middle of the hips
    ),
}
# Crop pixels, metres, or for logits probability: the raw logits of the mask reach -1,600, where float32 itself differs
# by more than 1 from one TensorFlow Lite kernel to the next.
TOLERANCE = {"boxes": 0.02, "scores": 1e-3, "landmarks": 0.02, "presence": 1e-4, "person_mask": 0.02, "heatmaps": 1e-3,
             "world_landmarks": 1e-3}
LOGITS = ("scores", "person_mask", "heatmaps")

NOTICE = """detector.onnx and landmarks.onnx are the BlazePose person detector and "full" landmark network of MediaPipe,
converted to ONNX.

Copyright The MediaPipe Authors. Licensed under the Apache License, Version 2.0; the text is in LICENSE beside them.

Source:     the wheel mediapipe {wheel} from the Python Package Index, files
{files}
Conversion: tf2onnx {tf2onnx}, opset {opset}, by onnx_export/landmarks.py of this project.
Changes:    inputs and outputs renamed; the detector's sparse weights written out; the half-precision weights stay in
            half precision and are cast to single precision when a model is opened. The numbers they compute are
            those of the originals.
"""


def main(arguments: list[str] | None = None) -> int:
    """Read the wheel, convert, check against TensorFlow Lite, write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, required=True, help=f"the file mediapipe-{WHEEL_VERSION}-*.whl")
    parser.add_argument("--out", type=Path, required=True, help="folder of a bundle of these two, for --networks of "
                        "python -m onnx_export")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)

    failed = False
    with zipfile.ZipFile(options.wheel) as wheel:
        (options.out / "LICENSE").write_bytes(wheel.read(LICENSE_NAME))
        for name, network in NETWORKS.items():
            tflite = read_network(wheel, network)
            model = store_weights_in_half(rename(convert(densified(tflite)), network))
            file = options.out / f"{name}.onnx"
            file.write_bytes(model.SerializeToString(deterministic=True))
            print(f"{file}: {file.stat().st_size:,} bytes")
            for output, difference in largest_differences(network, tflite, file).items():
                print(f"{output:16s} largest difference to TensorFlow Lite {difference:.1e}, "
                      f"allowed {TOLERANCE[output]:.0e}")
                failed |= difference > TOLERANCE[output]
    sources = "\n".join(f"            {n.tflite}\n            (SHA-256 {n.sha256})" for n in NETWORKS.values())
    (options.out / "NOTICE").write_text(NOTICE.format(
        wheel=WHEEL_VERSION, files=sources, tf2onnx=version("tf2onnx"), opset=OPSET))
    seal_bundle(options.out, "lexis-default", {name: ModelEntry(
        f"{name}.onnx", "Apache-2.0", specs(network.inputs), specs(network.outputs))
        for name, network in NETWORKS.items()})
    return int(failed)


def specs(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> dict[str, TensorSpec]:
    """The bundle's description of inputs or outputs."""
    return {name: TensorSpec("float32", shape) for name, shape in tensors.values()}


def read_network(wheel: zipfile.ZipFile, network: Network) -> bytes:
    """The network out of the wheel; stops when it is not the one we know."""
    tflite = wheel.read(network.tflite)
    found = hashlib.sha256(tflite).hexdigest()
    if found != network.sha256:
        sys.exit(f"{wheel.filename} holds another {network.tflite} ({found}).\n"
                 f"This script knows mediapipe {WHEEL_VERSION} only.\nDownload mediapipe=={WHEEL_VERSION}.")
    return tflite


def densified(tflite: bytes) -> bytes:
    """The same network with every sparse weight written out, and without the DENSIFY operators tf2onnx does not know.

    The sparse weights of these networks are rows of compressed columns: of a (A, B, C, D) weight each of the A*B*C
    rows lists which of the D columns are not zero.
    """
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(tflite, 0))
    graph = model.subgraphs[0]
    source_of = {}  # output of a DENSIFY: its sparse input
    for operator in graph.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.DENSIFY:
            source_of[operator.outputs[0]] = operator.inputs[0]
    for source in source_of.values():
        tensor = graph.tensors[source]
        columns = tensor.sparsity.dimMetadata[-1]
        rows = np.diff(np.asarray(columns.arraySegments.values).astype(np.int64))
        weight = np.zeros((len(rows), tensor.shape[-1]), np.float16)
        values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float16)
        weight[np.repeat(np.arange(len(rows)), rows), np.asarray(columns.arrayIndices.values)] = values
        model.buffers[tensor.buffer].data = np.frombuffer(weight.tobytes(), np.uint8)
        tensor.sparsity = None
    graph.operators = [o for o in graph.operators if o.outputs[0] not in source_of]
    for operator in graph.operators:
        operator.inputs = [source_of.get(i, i) for i in operator.inputs]
    builder = flatbuffers.Builder(len(tflite))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def convert(tflite: bytes):
    """TensorFlow Lite bytes -> onnx.ModelProto, by tf2onnx."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "model.tflite"), Path(folder, "model.onnx")
        source.write_bytes(tflite)
        subprocess.run([sys.executable, "-m", "tf2onnx.convert", "--tflite", str(source), "--opset", str(OPSET),
                        "--output", str(target)], check=True)
        return onnx.load(target)


def rename(model, network: Network):
    """Give inputs and outputs the names of the bundle and number everything else in the order of its use.

    tf2onnx's own names and order change from run to run; so do its doc string, which names a temporary file.
    """
    graph = model.graph
    names = {old: new for old, (new, _) in (network.inputs | network.outputs).items()}
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        for name in (*node.input, *node.output):
            if name:
                names.setdefault(name, f"value_{len(names)}")
        node.input[:] = [names.get(name, "") for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names[value.name]
    initializers = sorted(graph.initializer, key=lambda weight: int(weight.name.removeprefix("value_")))
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(initializers)
    graph.ClearField("doc_string")
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


def largest_differences(network: Network, tflite: bytes, onnx_file: Path) -> dict[str, float]:
    """The largest absolute difference of each output between TensorFlow Lite and ONNX Runtime.

    The inputs are windows of the demo photograph and one of seeded noise.
    """
    import tensorflow as tf
    from PIL import Image
    from scipy.special import expit

    from lexis_core.runtime.session import Session

    _, (_, side, _, _) = next(iter(network.inputs.values()))
    photo = np.asarray(Image.open(default_bundle_folder().parent / "demo" / "camera.png").convert("RGB"), np.float32)
    crops = [photo[y:y + side, x:x + side] / 255 for y, x in ((0, 0), (64, 128), (200, 200))]
    crops += [photo[::2, ::2][:side, :side] / 255, np.random.default_rng(0).random((side, side, 3), np.float32)]

    interpreter = tf.lite.Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    indices = {detail["name"]: detail["index"] for detail in interpreter.get_output_details()}
    session = Session(onnx_file, device="cpu")
    worst = {new: 0.0 for new, _ in network.outputs.values()}
    for crop in crops:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], crop[None])
        interpreter.invoke()
        ours = session.run({"image": crop[None]})
        for old, (new, _) in network.outputs.items():
            a, b = interpreter.get_tensor(indices[old]), ours[new]
            if new in LOGITS:
                a, b = expit(a), expit(b)
            worst[new] = max(worst[new], float(np.abs(a - b).max()))
    return worst


if __name__ == "__main__":
    sys.exit(main())
