"""Coverage-guided fuzzing of the targets of test_fuzz.py, with atheris.

    python coverage_fuzz.py TARGET RUNS

Stops at the first input that raises an unexpected error, and prints it.
"""

import sys
import tempfile
from pathlib import Path

import atheris
from hypothesis import given, settings

HERE = Path(__file__).parent


def main(name: str, runs: str) -> None:
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    with atheris.instrument_imports(include=["squeezebert_mobile"]):
        import fuzzing
        import test_fuzz

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve()
        inputs, read = test_fuzz.TARGETS[name](folder)

        @settings(database=None)
        @given(inputs)
        def reads_or_rejects(content: object) -> None:
            fuzzing.attempt(folder, lambda: read(content))

        # -timeout: seconds for one input, after which it counts as an error
        options = [sys.argv[0], f"-runs={runs}", "-timeout=20", "-max_len=1024", "-len_control=0"]
        atheris.Setup(options, reads_or_rejects.hypothesis.fuzz_one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
