"""The demo checkpoints: their generated sentences, and their training.

This package and its corpora (grammar/*.toml) are not in the wheel, because only a clone trains the
demos. The trained checkpoints are: they are in models/assets/.
"""
