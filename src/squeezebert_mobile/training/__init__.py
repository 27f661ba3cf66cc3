"""Fine-tuning, and the demo checkpoints."""
