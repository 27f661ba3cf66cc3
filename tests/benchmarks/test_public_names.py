import pytest

from squeezebert_mobile import benchmarks


def test_the_public_names_are_these_and_are_all_there():
    assert benchmarks.__all__ == [
        "PRESETS",
        "Contender",
        "Preset",
        "Results",
        "artifact_contender",
        "artifact_contenders",
        "check_regression",
        "file_contender",
        "get_preset",
        "measure_host",
        "print_table",
        "progress_bar",
        "read_results",
    ]
    assert all(getattr(benchmarks, name) for name in benchmarks.__all__)
    assert benchmarks._HOMES.keys() == set(benchmarks.__all__)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'measure_moon'"):
        _ = benchmarks.measure_moon
