"""Training clips made on the device: planned in numpy, rendered in torch."""
