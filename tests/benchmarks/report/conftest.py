"""Results of a host, and reports that are written only once."""

import html

import numpy as np
import pytest

from squeezebert_mobile.benchmarks.measure.host import measure_host
from squeezebert_mobile.benchmarks.report import figures, write_report


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The text of a report; each is written only once, because drawing takes a second."""
    done: dict[tuple[object, ...], str] = {}

    def write(*results, suffix="html", names=("a.json", "b.json", "c.json")):
        key = (suffix, names, *(each.to_json() for each in results))
        if key not in done:
            path = tmp_path_factory.mktemp("report") / f"report.{suffix}"
            write_report(list(zip(names, results, strict=False)), path)
            done[key] = path.read_text(encoding="utf-8")
        return done[key]

    return write


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are made, but not drawn, which takes most of a second."""

    def described(make, alt, prefix):
        make()
        return f'<svg role="img" aria-label="{html.escape(alt)}"></svg>'

    monkeypatch.setattr(figures, "_draw", described)


@pytest.fixture
def host(pretend, short, fake_clock):
    def measure(*, names=("ours-int8", "ours-fp32", "bert-int8", "bert-fp32"), preset=short):
        random = np.random.default_rng(0)

        def model(seconds):
            return lambda feed: fake_clock.work(seconds * random.uniform(1, 1.01))()

        contenders = [
            pretend(names[0], model(0.0246)),
            pretend(names[1], model(0.0622), precision="fp32"),
            pretend(names[2], model(0.0402), role="baseline"),
            pretend(names[3], model(0.1640), precision="fp32", role="baseline"),
        ]
        return measure_host(contenders, preset=preset, clock=fake_clock)

    return measure
