"""From a graph to an .onnx file: traced with a batch of any size, its weights stored in half the bytes."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx import helper, numpy_helper
from onnx_ir.passes import common
from onnxscript import optimizer
from torch import Tensor

from onnx_export.graphs import Graph, Shape
from onnx_export.translations import TRANSLATIONS

OPSET = 20
EXAMPLE = {"B": 3, "P": 40, "Q": 48, "N": 40 + 27, "T": 5}  # sizes to trace with; 1 would fix what must stay free
FAR = 2**62   # where a slice ends that has no end
SMALL = 1024  # numbers; what is shorter is stored as it is


def write(graph: Graph, path: Path) -> None:
    """Trace a graph and write it; RuntimeError when an axis that must be free is not."""
    given = example(graph)
    free = tuple({axis: torch.export.Dim.DYNAMIC for axis, size in enumerate(shape) if isinstance(size, str)}
                 for shape in graph.inputs.values())
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        graph(*given.values())  # what is made once and kept must not be made of the tracer's tensors
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(graph, tuple(given.values()), dynamo=True, opset_version=OPSET, verbose=False,
                                    input_names=list(graph.inputs), output_names=list(graph.outputs),
                                    dynamic_shapes=(free,), optimize=False, custom_translation_table=TRANSLATIONS)
    model = ir.to_proto(_tidied(program.model, graph))
    del model.graph.value_info[:]
    _name_axes(graph, model)
    _store_small(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def example(graph: Graph, sizes: dict[str, int] | None = None, seed: int = 0) -> dict[str, Tensor]:
    """Numbers a graph can take: rotations are rotations, depths before the camera, weights and fields in (0, 1]."""
    sizes, rng = EXAMPLE | (sizes or {}), np.random.default_rng(seed)

    def numbers(name: str, shape: Shape) -> np.ndarray:
        size = tuple(sizes[n] if isinstance(n, str) else n for n in shape)
        if name in graph.integers:
            return np.arange(size[0])
        if shape[-2:] == (3, 3):
            return np.linalg.qr(rng.normal(size=size))[0]
        made = rng.uniform(0.1, 0.9, size)
        if name.endswith(("pelvis", "object_position")):
            made[..., 2] += 2
        return made

    return {name: torch.from_numpy(numbers(name, shape)).to(torch.int64 if name in graph.integers else torch.float32)
            for name, shape in graph.inputs.items()}


def _tidied(model: ir.Model, graph: Graph) -> ir.Model:
    """The graph with what is constant worked out once.

    The exporter's own optimiser also rewrites, and takes the 1e-8 under a root for the zero of "x + 0", and norms into
    convolutions, which then are not in half precision any more. So only what changes no number is used of it.
    """
    passes = ir.passes.Sequential(
        common.OutputFixPass(),  # what comes out as it went in
        common.RemoveUnusedNodesPass(), common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.DeduplicateInitializersPass(), common.CommonSubexpressionEliminationPass(),
        common.RemoveUnusedNodesPass(), common.ClearMetadataAndDocStringPass())
    common.InlinePass()(model)
    optimizer.fold_constants(model)
    passes(model)
    for node in list(model.graph):
        if _takes_all(node):
            ir.convenience.replace_all_uses_with(node.outputs[0], node.inputs[0])
            model.graph.remove(node, safe=True)
    common.RemoveUnusedNodesPass()(model)
    for values, names in ((model.graph.inputs, graph.inputs), (model.graph.outputs, graph.outputs)):
        for value, name in zip(values, names, strict=True):
            value.name = name
    return model


def _takes_all(node: ir.Node) -> bool:
    """Whether it is a slice from the first to the last, which x[:, None] leaves behind."""
    if node.op_type != "Slice" or node.outputs[0].is_graph_output():
        return False
    start, end, step = (node.inputs[k].const_value if k < len(node.inputs) and node.inputs[k] is not None else None
                        for k in (1, 2, 4))
    return (start is not None and end is not None and (start.numpy() == 0).all() and (end.numpy() >= FAR).all()
            and (step is None or (step.numpy() == 1).all()))


def _name_axes(graph: Graph, model: onnx.ModelProto) -> None:
    """Give the free axes their names, after making sure that they are free, and the others are not."""
    for tensors, shapes in ((model.graph.input, graph.inputs), (model.graph.output, graph.outputs)):
        if [tensor.name for tensor in tensors] != list(shapes):
            raise RuntimeError(f"{graph.name} was traced with {[t.name for t in tensors]}, not {list(shapes)}.")
        for tensor, shape in zip(tensors, shapes.values(), strict=True):
            for axis, size in zip(tensor.type.tensor_type.shape.dim, shape, strict=True):
                fixed = axis.dim_value if axis.HasField("dim_value") else None
                if isinstance(size, int) and fixed is None and tensors is model.graph.output:
                    axis.dim_value = size
                elif fixed != (size if isinstance(size, int) else None):
                    raise RuntimeError(f"{graph.name}: {tensor.name} must be {shape}, an axis became {fixed}.")
                if isinstance(size, str):
                    axis.dim_param = size


def _store_small(model: onnx.ModelProto) -> None:
    """Keep in half the bytes what loses nothing by it, and cast it back: ONNX Runtime does so once, while loading."""
    kept, casts = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        small = _small(values)
        if small is None:
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(small, f"{tensor.name}.stored"))
        casts.append(helper.make_node("Cast", [f"{tensor.name}.stored"], [tensor.name], to=tensor.data_type))
    nodes = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend([*casts, *nodes])


def _small(values: np.ndarray) -> np.ndarray | None:
    """The same numbers in half the bytes or fewer, where that is exact."""
    types = {np.dtype(np.float32): np.float16, np.dtype(np.int64): np.int16}
    if values.size <= SMALL or values.dtype not in types:
        return None
    with np.errstate(over="ignore"):
        small = values.astype(types[values.dtype])
    return small if np.array_equal(small.astype(values.dtype), values) else None
