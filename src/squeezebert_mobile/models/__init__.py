"""SqueezeBERT and BERT in torch: config, weights, checkpoints, and the rewrite."""

from squeezebert_mobile.errors import require_extra

require_extra("export")  # before the imports that would fail
