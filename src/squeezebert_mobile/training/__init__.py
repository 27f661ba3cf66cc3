"""Fine-tuning on labelled data; `demos/` trains the demo checkpoints."""
