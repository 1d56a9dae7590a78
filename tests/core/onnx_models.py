"""Small ONNX models for the tests, made with the onnx package."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


def save(path: Path, nodes: list, inputs: dict, outputs: dict, domains: dict[str, int] | None = None,
         functions: tuple = (), weights: tuple = ()) -> Path:
    """A model of those nodes. inputs, outputs : name -> (element type, shape)"""
    told = [[helper.make_tensor_value_info(name, *spec) for name, spec in tensors.items()]
            for tensors in (inputs, outputs)]
    graph = helper.make_graph(nodes, "g", *told, initializer=list(weights))
    opsets = [helper.make_opsetid(domain, version) for domain, version in {"": 17, **(domains or {})}.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=list(functions))
    path.write_bytes(model.SerializeToString())
    return path


def doubling(path: Path) -> Path:
    """y = x + x, (B, 3) float32."""
    return save(path, [helper.make_node("Add", ["x", "x"], ["y"])], {"x": (FLOAT, ["B", 3])}, {"y": (FLOAT, ["B", 3])})


def endless(path: Path, k: int | str = "k") -> Path:
    """Multiplies a (k, k) float32 with itself n times, a scalar int64: seconds, minutes, years."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["on"]), helper.make_node("MatMul", ["x", "x"], ["xx"]),
         helper.make_node("Tanh", ["xx"], ["y"])], "body",
        [helper.make_tensor_value_info("i", INT, []), helper.make_tensor_value_info("going", TensorProto.BOOL, []),
         helper.make_tensor_value_info("x", FLOAT, None)],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []), helper.make_tensor_value_info("y", FLOAT, None)])
    return save(path, [helper.make_node("Loop", ["n", "", "a"], ["out"], body=body)],
                {"n": (INT, []), "a": (FLOAT, [k, k])}, {"out": (FLOAT, [k, k])})


def vast(path: Path) -> Path:
    """Zeros of any shape, (k,) int64: more than a machine has, if one likes."""
    node = helper.make_node("ConstantOfShape", ["n"], ["out"])
    return save(path, [node], {"n": (INT, ["k"])}, {"out": (FLOAT, None)})


def branching(path: Path, domain: str = "", operator: str = "Relu") -> Path:
    """An If whose branch holds an operator of that domain."""
    branch = helper.make_graph([helper.make_node(operator, ["x"], ["b"], domain=domain)], "then", [],
                               [helper.make_tensor_value_info("b", FLOAT, [1])])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["b"])], "else", [],
                              [helper.make_tensor_value_info("b", FLOAT, [1])])
    return save(path, [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=other)],
                {"c": (TensorProto.BOOL, []), "x": (FLOAT, [1])}, {"y": (FLOAT, [1])}, {domain: 1} if domain else None)


def calling(path: Path, domain: str = "ours", operator: str = "Relu", inner: str = "") -> Path:
    """A function of the file's own, in a domain of its own, that holds one operator."""
    function = helper.make_function(domain, "F", ["a"], ["b"], [helper.make_node(operator, ["a"], ["b"], domain=inner)],
                                    [helper.make_opsetid("", 17)])
    return save(path, [helper.make_node("F", ["x"], ["y"], domain=domain)], {"x": (FLOAT, [1])}, {"y": (FLOAT, [1])},
                {domain: 1}, (function,))


def outside(path: Path, location: str) -> Path:
    """A model whose weights lie in another file."""
    weight = TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    return save(path, [helper.make_node("Add", ["x", "w"], ["y"])], {"x": (FLOAT, [4])}, {"y": (FLOAT, [4])},
                weights=(weight,))


def load(path: Path) -> onnx.ModelProto:
    """The model, as the onnx package reads it."""
    return onnx.load(path, load_external_data=False)
