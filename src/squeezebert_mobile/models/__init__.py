"""SqueezeBERT and BERT in PyTorch: config, weights, checkpoints, and the rewrite for export."""

from squeezebert_mobile.errors import require_extra

require_extra("export")  # before the imports that would fail
