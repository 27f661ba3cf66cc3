"""Checkpoints by name: local folders, and repositories of the Hugging Face Hub."""

from squeezebert_mobile.hub.download import checkpoint_folder, settings_folder
from squeezebert_mobile.hub.errors import named_errors
from squeezebert_mobile.hub.names import (
    CONFIG_FILE,
    DEMO,
    DEMOS,
    MODULES_FILE,
    PRESETS,
    check_has_config,
    check_revision,
    first_module,
    is_preset,
    is_shipped,
    local_folder,
)
from squeezebert_mobile.hub.repository import WEIGHT_FILES

__all__ = [
    "CONFIG_FILE",
    "DEMO",
    "DEMOS",
    "MODULES_FILE",
    "PRESETS",
    "WEIGHT_FILES",
    "check_has_config",
    "check_revision",
    "checkpoint_folder",
    "first_module",
    "is_preset",
    "is_shipped",
    "local_folder",
    "named_errors",
    "settings_folder",
]
