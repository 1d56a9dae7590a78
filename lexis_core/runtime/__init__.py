"""The model bundle and the ONNX Runtime sessions that run it."""
