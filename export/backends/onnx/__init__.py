"""ONNX for ONNX Runtime."""
