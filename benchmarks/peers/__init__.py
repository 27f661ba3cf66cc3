"""Compares our exports with what a user gets from transformers and the usual exporters.

    python -m squeezebert_mobile.benchmarks.peers [-o FOLDER]

A peer is transformers' model, exported and quantized as a library's guide recommends. All models
are of base size with seeded random weights, are built in a temporary folder, and run with the
default options of their libraries.

    models.py         the table of models
    families.py       the two architectures
    ours.py           builds our models
    theirs.py         builds the peers; litert.py those of LiteRT
    building.py       runs a build in its own process, so that a failure is a line of the report
    resume_state.py   what an interrupted run keeps in its folder
    survey.py         builds and measures all models in one run, and checks the goals
    tables.py         the tables of the report; pages.py, readme.py and plot.py show them
"""

from squeezebert_mobile.benchmarks.peers.building import BuildError, build_in_subprocess
from squeezebert_mobile.benchmarks.peers.models import MODELS, SurveyModel, select
from squeezebert_mobile.benchmarks.peers.survey import GOALS, PRESETS, bench_peers

__all__ = [
    "GOALS",
    "MODELS",
    "PRESETS",
    "BuildError",
    "SurveyModel",
    "bench_peers",
    "build_in_subprocess",
    "select",
]
