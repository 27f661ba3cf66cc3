"""The demo checkpoints: their sentences and training. Not part of the wheel."""
