"""A survey whose models are all the tiny ONNX file."""

import time

import pytest

from squeezebert_mobile.benchmarks.measure import contenders, host
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.peers import SurveyModel, survey
from squeezebert_mobile.benchmarks.peers.models import REFERENCE

QUICK = Preset("survey", 16, 0, 8, 1)


class Broken(dict[str, BaseException]):
    """The errors of builds by label, and the labels whose build was started."""

    def __init__(self) -> None:
        super().__init__()
        self.built: list[str] = []
        self.lengths: list[int] = []  # for which they were built
        self.error_s = 0.001  # how long a build takes that fails


@pytest.fixture
def stand_ins(monkeypatch, pretend, tiny_file):
    """Each model is the tiny one, except those that a test adds to the broken ones."""
    broken = Broken()

    def build_in_subprocess(log, build, folder, lengths):
        broken.built.append(build.__self__.label)
        broken.lengths = lengths
        error = broken.get(build.__self__.label)
        time.sleep(broken.error_s if error else 0.001)  # let other builds start meanwhile
        if error:
            raise error

    def contender(model, folder):
        return contenders.file_contender(
            tiny_file,
            label=model.label,
            precision=model.precision,
            vocab_size=100,
            role="baseline" if model.label == REFERENCE else "contender",
        )

    monkeypatch.setattr(survey, "build_in_subprocess", build_in_subprocess)
    monkeypatch.setattr(SurveyModel, "contender", contender)
    monkeypatch.setitem(survey.PRESETS, "survey", QUICK)
    # `pretend` has replaced the fresh processes; the models themselves are real.
    monkeypatch.setattr(host, "open_model", contenders.open_model)
    return broken
