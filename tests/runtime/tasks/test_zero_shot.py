"""Zero-shot classification, compared with the pipeline of transformers."""

from typing import Any

import artifacts
import pytest
import transformers
from artifacts import TEXTS

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime import ZeroShotResult

NLI = ("contradiction", "neutral", "entailment")
#: Orders and names of the labels of published models.
LABELS = {
    "contradiction first": NLI,
    "entailment first": ("entailment", "neutral", "contradiction"),
    "entailment in the middle": ("contradiction", "ENTAILMENT", "neutral"),
    "no contradiction": ("not_entailment", "entailment"),
    "two labels, entailment first": ("entailment", "not_entailment"),
    "another name": ("REFUTES", "NEI", "Entails"),
}
CANDIDATES = ["music", "the weather", "unknownword", "a big cat", "time"]


def load(folder: Any, labels: tuple[str, ...], **options: Any) -> tuple[Any, Any]:
    """Our pipeline and transformers' one for a model with these labels."""
    named = {"num_labels": len(labels), "id2label": dict(enumerate(labels))}
    theirs, ours = artifacts.load_pair(folder, "text-classification", **named, **options)
    # json's order of label2id is that of the names; transformers takes the first that fits.
    theirs.config.label2id = {label: i for i, label in enumerate(labels)}
    tokenizer = artifacts.their_tokenizer(folder)
    return ours, transformers.ZeroShotClassificationPipeline(model=theirs, tokenizer=tokenizer)


@pytest.fixture(scope="module", params=LABELS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(tmp_path_factory.mktemp("nli"), LABELS[request.param])


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(tmp_path_factory.mktemp("nli"), NLI)[0]


def scores(result: Any) -> list[tuple[str, float]]:
    return [(label.label, label.score) for label in result.labels]


def expected(theirs: dict[str, Any]) -> list[tuple[str, Any]]:
    pairs = zip(theirs["labels"], theirs["scores"], strict=True)
    return [(label, pytest.approx(score, abs=1e-5)) for label, score in pairs]


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("count", [1, 2, len(CANDIDATES)])
def test_same_as_transformers(case: Any, count: int, multi_label: bool) -> None:
    """Texts of all lengths, the longest ones truncated."""
    ours, theirs = case
    labels = CANDIDATES[:count]
    results = ours.zero_shot(TEXTS, labels, multi_label=multi_label)
    for text, result in zip(TEXTS, results, strict=True):
        assert scores(result) == expected(theirs(text, labels, multi_label=multi_label))


@pytest.mark.parametrize("template", ["It is about {}.", "{}", "yes {0}, no?", "{{}} {:>9}"])
def test_hypothesis_template(case: Any, template: str) -> None:
    ours, theirs = case
    options = {"hypothesis_template": template}
    want = expected(theirs(TEXTS[0], CANDIDATES, **options))
    assert scores(ours.zero_shot(TEXTS[0], CANDIDATES, **options)) == want


def test_bert(tmp_path: Any) -> None:
    ours, theirs = load(tmp_path, NLI, family="bert")
    want = [expected(result) for result in theirs(TEXTS, CANDIDATES)]
    assert [scores(result) for result in ours.zero_shot(TEXTS, CANDIDATES)] == want


def test_fixed_shape(tmp_path: Any) -> None:
    ours, theirs = load(tmp_path, NLI, fixed={"batch": 2, "sequence": 40})
    want = [expected(result) for result in theirs(TEXTS, CANDIDATES)]
    assert [scores(result) for result in ours.zero_shot(TEXTS, CANDIDATES)] == want


def test_entailment_label(tmp_path: Any) -> None:
    """Where the labels have no names, the one for entailment must be given."""
    ours, theirs = load(tmp_path, ("LABEL_0", "LABEL_1", "LABEL_2"))
    with pytest.raises(InputError, match=r"no label is called entailment \(LABEL_0, LABEL_1,"):
        ours.zero_shot(TEXTS[0], CANDIDATES)
    for place in range(3):
        named = ["a", "b", "c"]
        named[place] = "entailment"
        theirs.model.config.label2id = {label: i for i, label in enumerate(named)}
        for multi_label in (False, True):
            options = {"multi_label": multi_label}
            want = expected(theirs(TEXTS[0], CANDIDATES, **options))
            options["entailment_label"] = f"LABEL_{place}"
            assert scores(ours.zero_shot(TEXTS[0], CANDIDATES, **options)) == want


def test_inputs(ours: Any) -> None:
    """A list, an iterable, and labels as one string."""
    one = ours.zero_shot(TEXTS[0], CANDIDATES, batch_size=1)
    assert ours.zero_shot(TEXTS[:1], ", ".join(CANDIDATES), batch_size=1) == [one]
    assert list(ours.zero_shot(iter(TEXTS[:1]), CANDIDATES, batch_size=1)) == [one]
    assert ours.zero_shot([], CANDIDATES) == []


def test_result(ours: Any) -> None:
    result = ours.zero_shot(TEXTS[0], CANDIDATES)
    assert isinstance(result, ZeroShotResult)
    assert result.label == result.labels[0].label in CANDIDATES
    assert sum(label.score for label in result.labels) == pytest.approx(1)
    assert str(result) == ", ".join(map(str, result.labels))
    assert not result.truncated
    assert ours.zero_shot("music " * 99, CANDIDATES).truncated


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"texts": " "}, "the text is empty"),
        ({"texts": ["a", 1]}, "input 2: a text must be a str, not int"),
        ({"candidate_labels": []}, r"candidate_labels=\[\] must be a list of at least one label"),
        ({"candidate_labels": " , "}, r"candidate_labels=\[\] must be a list"),
        ({"candidate_labels": 3}, "candidate_labels=3 must be a list"),
        ({"candidate_labels": ["a", ""]}, "the candidate label is empty"),
        ({"candidate_labels": ["a", 1]}, "a candidate label must be a str, not int"),
        ({"hypothesis_template": "It is about."}, "'It is about.' must contain {} once"),
        ({"hypothesis_template": "{} or {}"}, "must contain {} once"),
        ({"hypothesis_template": "{label}"}, "must contain {} once"),
        ({"hypothesis_template": "{"}, "must contain {} once"),
        ({"hypothesis_template": "{:d}"}, "must contain {} once"),
        ({"entailment_label": "entailmet"}, "unknown entailment label 'entailmet'; .*'entailment'"),
        ({"candidate_labels": ["music " * 40]}, "has 44 tokens, which leaves no room for a text"),
        ({"batch_size": 0}, "batch_size=0 must be"),
    ],
)
def test_bad_input(ours: Any, call: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ours.zero_shot(**{"texts": "a", "candidate_labels": ["b"], **call})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("positive", "negative"), r"no label is called entailment \(positive, negative\)"),
        (("entailed", "entailment", "no"), "several labels are called entailment"),
        (("entailment",), "has no label for entailment beside one for contradiction, only ent"),
    ],
)
def test_other_models(tmp_path: Any, labels: tuple[str, ...], message: str) -> None:
    ours, _ = load(tmp_path, labels)
    with pytest.raises(InputError, match=message):
        ours.zero_shot("music", ["a", "b"])
