"""Operations of torch that are written with fewer operations of ONNX than the exporter has for them."""

from __future__ import annotations

import torch
from onnxscript import opset20 as op


def _lerp(start, end, weight):
    """Exact at both ends, as torch's is."""
    one = op.CastLike(op.Constant(value_float=1.0), weight)
    return op.Add(op.Mul(op.Sub(one, weight), start), op.Mul(weight, end))


TRANSLATIONS = {torch.ops.aten.lerp.Tensor: _lerp}
