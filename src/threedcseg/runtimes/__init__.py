"""Networks outside PyTorch: export to ONNX and OpenVINO, and running what was exported."""
