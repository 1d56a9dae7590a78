"""One thread for torch, as in tests/learn."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed, which the graphs are traced from")
pytest.importorskip("onnxscript", reason="onnxscript is not installed, which torch exports with")
torch.set_num_threads(1)
