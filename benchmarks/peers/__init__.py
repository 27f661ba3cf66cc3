"""What a user gets without this package, measured beside what it gives.

    python -m squeezebert_mobile.benchmarks.peers [-o FOLDER]

A peer is transformers' model through a library's usual exporter and quantizer. All models are of
base size with seeded random weights, are built in a temporary folder, and run with their
libraries' default options.

    models.py     who takes part: the one table
    families.py   the two architectures
    ours.py       how ours are built
    theirs.py     how the peers are built
    building.py   in a quiet process of its own, so that a failure is a line
    survey.py     all of them in one run, and the goals
    grids.py      the results as rows and columns; text.py, markdown.py and plot.py show them
"""

from squeezebert_mobile.benchmarks.peers.building import BuildFailed, build_apart
from squeezebert_mobile.benchmarks.peers.models import MODELS, Model, select
from squeezebert_mobile.benchmarks.peers.survey import GOALS, PRESETS, bench_peers

__all__ = [
    "GOALS",
    "MODELS",
    "PRESETS",
    "BuildFailed",
    "Model",
    "bench_peers",
    "build_apart",
    "select",
]
