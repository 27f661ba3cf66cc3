"""Does the artifact answer as the checkpoint does? On real text, and with the exported file.

Every text is run at three lengths; between them the runs cover batch 1 and batch 3, padded and
not. Each output of the artifact is compared with the fp32 torch model's at every position that is
not padding:

    max_abs_diff  the largest difference of a number
    error         of numbers (regression): the root of the mean square, in standard deviations of
                  the checkpoint's own. A cosine does not see that all are the same
    cosine        of each token's vector. Outputs with fewer than 64 numbers a token (labels,
                  positions) are joined until there are 64: a cosine of two numbers says nothing
    agreement     how often the answer (the largest logit) is the same, over the answers that the
                  checkpoint gives with a margin above the drift: twice the largest difference
                  that nine in ten answers keep within, one logit up and another down. A tie
                  decided by rounding says nothing. The nine in ten are inferred from the median,
                  which answers that are grossly wrong do not widen
"""

import heapq
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from squeezebert_mobile.artifact import (
    SCHEMA_VERSION,
    Golden,
    GoldenOutput,
    GoldenText,
    OutputParity,
    Parity,
)
from squeezebert_mobile.errors import ParityError
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.models.threads import one_thread
from squeezebert_mobile.runtime.sessions.base import Session
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.tasks import INPUT_NAMES, Task, is_regression

__all__ = [
    "AGREEMENT",
    "GOLDEN_TEXTS",
    "LIMITS",
    "Limit",
    "Verification",
    "calibration_feeds",
    "make_golden",
    "sensitivity_feeds",
    "verify",
]

Floats = NDArray[np.float32]
Feed = dict[str, NDArray[np.int64]]

LONGEST = 128  # tokens; the longest of the three lengths where the model reads as many
GOLDEN_TEXTS = 8
GOLDEN_VALUES = 64  # of each output of a golden text
SMALLEST_VECTOR = 64  # numbers
_MEASURED_TEXTS, _MEASURED_LENGTH = 6, 24  # of what each unit does to the outputs; tokens
_WORKERS = 2  # that run the checkpoint, beside the artifact
_PORTION = 24  # feeds whose texts it runs together; logits of a vocabulary are 3 MB a short text
NINE_IN_TEN = 1.645 / 0.674  # of a normal drift's size: the 90th percentile in medians


@dataclass(frozen=True)
class Limit:
    """What an output of a precision must keep to."""

    max_abs_diff: float = np.inf
    mean_cosine: float = -1.0
    min_cosine: float = -1.0

    def __str__(self) -> str:  # noqa: D105
        if np.isfinite(self.max_abs_diff):
            return f"max_abs_diff <= {self.max_abs_diff:g}"
        return f"mean_cosine >= {self.mean_cosine:g}, min_cosine >= {self.min_cosine:g}"

    def holds(self, parity: OutputParity) -> bool:
        """Whether an output is within the limit; NaN is not."""
        return (
            math.isfinite(parity.max_abs_diff)
            and parity.max_abs_diff <= self.max_abs_diff
            and parity.mean_cosine >= self.mean_cosine
            and parity.min_cosine >= self.min_cosine
        )


LIMITS = {
    "fp32": Limit(max_abs_diff=1e-4),
    "fp16": Limit(mean_cosine=0.9999, min_cosine=0.999),
    "int8": Limit(mean_cosine=0.99, min_cosine=0.97),
    "int4": Limit(mean_cosine=0.95, min_cosine=0.85),
}
#: The least top-1 agreement, of every precision.
AGREEMENT = 0.99
#: The largest error of regression: what is left of 1 % to 4 % of the variance.
ERROR = 0.2
#: An answer is near the checkpoint's where the checkpoint finds it half as likely, or likelier: the
#: difference of two logits. As many must be near as must agree. Drift does not widen this, and a
#: constant in all logits, which softmax does not see, hides nothing from it.
NEAR = math.log(2)


@dataclass(frozen=True)
class Verification:
    """What is verified: a checkpoint, its tokenizer, and where the artifact's limits lie."""

    model: PretrainedModel
    tokenizer: SqueezeBertTokenizer
    max_sequence_length: int
    sequence_length: int | None  # None: dynamic

    @property
    def task(self) -> Task:
        """The model's task."""
        return Traceable(self.model).task

    @property
    def kind(self) -> str | None:
        """What a text classifier's outputs are, where that is no choice among labels."""
        if not self.task.has_problem_type:
            return None
        config = self.model.config
        if is_regression(config.problem_type, config.num_labels):
            return "regression"
        return config.problem_type

    @property
    def lengths(self) -> list[int]:
        """The lengths to run at: an eighth, a half and all of the longest."""
        if self.sequence_length is not None:
            return [self.sequence_length]
        longest = min(LONGEST, self.max_sequence_length)
        shortest = min(8, longest)  # tokens: room for a pair and its three special tokens
        return sorted({max(longest // 8, shortest), max(longest // 2, shortest), longest})


# Inputs -------------------------------------------------------------------------------------


def _row(texts: Sequence[str], place: int, task: Task) -> tuple[str, str | None]:
    """The text at `place`, with the next one as its pair where the task, or chance, has pairs."""
    pairs = task.needs_pairs or place % 3 == 2
    return texts[place], texts[(place + 1) % len(texts)] if pairs else None


def _feed(
    verification: Verification, rows: list[tuple[str, str | None]], length: int, *, padded: bool
) -> Feed:
    """Arrays (B, S) of texts cut to `length` tokens, padded to it or cut to the shortest."""
    encode = verification.tokenizer.encode_rows
    found = [encode(*row, strategy="longest_first", max_length=length)[0] for row in rows]
    if not padded:
        length = min(map(len, found))
        found = [encode(*row, strategy="longest_first", max_length=length)[0] for row in rows]
    feed = {name: np.zeros((len(rows), length), np.int64) for name in INPUT_NAMES}
    feed["input_ids"][:] = verification.tokenizer.pad_token_id
    for place, row in enumerate(found):
        feed["input_ids"][place, : len(row)] = row.ids
        feed["attention_mask"][place, : len(row)] = 1
        feed["token_type_ids"][place, : len(row)] = row.type_ids
    return _for_task(verification, feed)


def _for_task(verification: Verification, feed: Feed) -> Feed:
    """Mask a token where tokens are guessed; one text type where the model knows but one."""
    if verification.task.predicts_masks:
        lengths = feed["attention_mask"].sum(axis=1)
        feed["input_ids"][np.arange(len(lengths)), lengths // 2] = (
            verification.tokenizer.mask_token_id
        )
    feed["token_type_ids"] %= verification.model.config.type_vocab_size
    return feed


def _feeds(verification: Verification, texts: Sequence[str]) -> Iterator[tuple[int, Feed]]:
    """How many texts were used up, and the inputs: every text once at every length, in step."""
    by_length = [
        _feeds_of_length(verification, texts, length, turn)
        for turn, length in enumerate(verification.lengths)
    ]
    for _, used, feed in heapq.merge(*by_length, key=operator.itemgetter(0)):
        yield used, feed


def _feeds_of_length(
    verification: Verification, texts: Sequence[str], length: int, turn: int
) -> Iterator[tuple[int, int, Feed]]:
    """The place of the first text, how many there are, and the inputs."""
    task = verification.task
    fixed = verification.sequence_length is not None
    kinds = [(1, fixed), (1, True), (3, fixed), (3, True)]  # batch, padded
    kind = turn  # another text begins the cycle at another length
    place = 0
    while place < len(texts):
        batch, padded = kinds[kind % len(kinds)]
        places = [(place + i) % len(texts) for i in range(batch)]
        if task.has_choices:
            feed = _choices(verification, texts, places, length, padded=padded)
        else:
            rows = [_row(texts, i, task) for i in places]
            feed = _feed(verification, rows, length, padded=padded)
        yield place, batch, feed
        place += batch
        kind += 1


def calibration_feeds(
    verification: Verification, texts: Sequence[str]
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Ids, mask and types: every second text, three at a time, padded; then two long ones.

    Every second, so that verification meets others. The long ones are all texts in a row, as far
    as the model reads, so that every position has been seen.
    """
    length = verification.lengths[len(verification.lengths) // 2]
    rows = [_row(texts, place, verification.task) for place in range(0, len(texts), 2)]
    feeds = [
        _feed(verification, rows[i : i + 3], length, padded=True) for i in range(0, len(rows), 3)
    ]
    for order in (texts, texts[::-1]):
        row = " ".join(order), None
        feeds.append(_feed(verification, [row], verification.max_sequence_length, padded=True))
    for feed in feeds:
        yield _tensors(verification, feed)


def sensitivity_feeds(
    verification: Verification, texts: Sequence[str]
) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Ids, mask and types: a few texts from all over, cut short, for many runs of the model."""
    places = range(0, len(texts), max(1, len(texts) // _MEASURED_TEXTS))
    rows = [_row(texts, place, verification.task) for place in places]
    length = verification.sequence_length or min(_MEASURED_LENGTH, verification.lengths[-1])
    return [_tensors(verification, _feed(verification, rows, length, padded=True))]


def _tensors(
    verification: Verification, feed: Feed
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The feed for the torch model; the rows of choices belong to one text."""
    if verification.task.has_choices:
        feed = {name: array[None] for name, array in feed.items()}  # (1, rows, S)
    ids, mask, types = (torch.from_numpy(feed[name]) for name in INPUT_NAMES)
    return ids, mask, types


def _choices(
    verification: Verification,
    texts: Sequence[str],
    places: list[int],
    length: int,
    *,
    padded: bool,
) -> Feed:
    """Two continuations of each text: arrays (B, 2, S)."""
    rows = [(texts[i], texts[(i + step) % len(texts)]) for i in places for step in (1, 2)]
    feed = _feed(verification, list(rows), length, padded=padded)
    return {name: array.reshape(len(places), 2, -1) for name, array in feed.items()}


# Comparison ---------------------------------------------------------------------------------


@dataclass
class _Drift:
    """How far one output is off, gathered batch by batch: logits would not fit in memory."""

    largest: float = 0.0
    cosines: list[Floats] = field(default_factory=list)
    margins: list[Floats] = field(default_factory=list)
    differences: list[Floats] = field(default_factory=list)  # the largest of each answer
    agrees: list[NDArray[np.bool_]] = field(default_factory=list)
    regrets: list[Floats] = field(default_factory=list)  # of theirs: their best less our choice
    numbers: list[tuple[Floats, Floats]] = field(default_factory=list)  # of regression
    waiting: list[tuple[Floats, Floats]] = field(default_factory=list)  # shorter than a vector

    def add(self, ours: Floats, theirs: Floats) -> None:
        """Compare the same positions (positions, numbers) of both."""
        largest = float(np.abs(ours - theirs).max())
        self.largest = max(self.largest, math.inf if math.isnan(largest) else largest)
        if ours.shape[-1] >= SMALLEST_VECTOR:
            self.cosines.append(_cosines(ours, theirs))
            return
        self.waiting.append((ours.ravel(), theirs.ravel()))
        if sum(len(vector) for vector, _ in self.waiting) >= SMALLEST_VECTOR:
            self._join()

    def _join(self) -> None:
        ours, theirs = (
            np.concatenate(vectors)[None] for vectors in zip(*self.waiting, strict=True)
        )
        self.cosines.append(_cosines(ours, theirs))
        self.waiting.clear()

    def answers(self, ours: Floats, theirs: Floats) -> None:
        """Compare the largest of each row (answers, choices), and note by how much theirs led."""
        second, first = np.partition(theirs, -2, axis=-1)[:, -2:].T
        self.margins.append(first - second)
        self.differences.append(np.abs(ours - theirs).max(axis=-1))
        choice = ours.argmax(-1)[..., None]
        self.agrees.append(choice[..., 0] == theirs.argmax(-1))
        self.regrets.append(first - np.take_along_axis(theirs, choice, -1)[..., 0])

    def judge(self, kind: str | None, ours: Floats, theirs: Floats) -> None:
        """Compare what is no choice among labels: numbers, or a yes or no to each label (B, N)."""
        if kind == "regression":
            self.numbers.append((ours, theirs))
        elif kind == "multi_label_classification":
            self.regrets.append(np.where((ours > 0) == (theirs > 0), 0, np.abs(theirs)).ravel())

    def parity(self, limit: Limit) -> OutputParity:
        """The figures of this output."""
        if self.waiting and not self.cosines:
            self._join()
        cosines = np.concatenate(self.cosines)
        return OutputParity(
            max_abs_diff=_rounded(self.largest),
            mean_cosine=_rounded(float(cosines.mean())),
            min_cosine=_rounded(float(cosines.min())),
            tolerance=str(limit),
        )

    def decided(self) -> tuple[int, int, int]:
        """Answers that agree, answers counted, answers not counted for their small margin."""
        if not self.margins:
            return 0, 0, 0
        drift = 2 * NINE_IN_TEN * np.median(np.concatenate(self.differences))
        counted = np.concatenate(self.margins) > drift
        agreed = np.concatenate(self.agrees)[counted]
        return int(agreed.sum()), int(counted.sum()), int((~counted).sum())


def _cosines(a: Floats, b: Floats) -> Floats:
    """Row by row; two rows of zeros are the same."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    same = (a == b).all(axis=-1)
    products = (a * b).sum(axis=-1)
    return np.where(same, 1.0, products / np.where(norms > 0, norms, 1.0))


def _rounded(number: float) -> float:
    return float(f"{number:.6g}")


def _compare(drift: _Drift, axes: tuple[str, ...], mask: NDArray[np.bool_], ours: Floats,
             theirs: Floats, *, answers: bool) -> None:  # fmt: skip
    """Add one output of one run; mask (B, S) or (B, N, S) is 1 where there is no padding."""
    if axes[-1] == "sequence":  # (B, S): a row is one text's positions, as long as it is
        for row, positions in enumerate(mask):
            pair = ours[row, positions][None], theirs[row, positions][None]
            drift.add(*pair)
            if answers and positions.sum() > 1:
                drift.answers(*pair)
        return
    if "sequence" in axes:  # (B, S, numbers)
        ours, theirs = ours[mask], theirs[mask]
    drift.add(ours, theirs)
    if answers and ours.shape[-1] > 1:
        drift.answers(ours, theirs)


#: A text's ids and types.
_Key = tuple[tuple[int, ...], tuple[int, ...]]
#: Where a text's outputs will be found.
_Place = tuple[Future[list[list[Floats]]], int]


@torch.inference_mode()
def _references(model: Traceable, keys: Sequence[_Key]) -> list[list[Floats]]:
    """The checkpoint's outputs for texts of one length, each without the batch's axes."""
    axes = len(model.task.input_axes) - 1  # a choice is by itself: (texts, 1, S)
    ids, types = (torch.tensor(each) for each in zip(*keys, strict=True))  # (texts, S)
    arrays = (ids, torch.ones_like(ids), types)
    rows = [array.reshape(len(keys), *[1] * (axes - 1), -1) for array in arrays]
    outputs = model(**dict(zip(INPUT_NAMES, rows, strict=True)))
    found = [out.numpy().reshape(len(keys), *out.shape[axes:]) for out in outputs]
    return [[output[place] for output in found] for place in range(len(keys))]


def _assembled(task: Task, feed: Feed, rows: list[list[Floats]]) -> list[Floats]:
    """The outputs of a feed of those of its texts; nothing stands where there is padding."""
    *batch, length = feed["input_ids"].shape
    whole = []
    for axes, outputs in zip(task.outputs.values(), zip(*rows, strict=True), strict=True):
        if "sequence" in axes:
            found = np.full((len(rows), length, *outputs[0].shape[1:]), np.nan, np.float32)
            for row, output in zip(found, outputs, strict=True):
                row[: len(output)] = output
        else:
            found = np.stack(outputs)
        whole.append(found.reshape(*batch, *found.shape[1:]))
    return whole


def _with_references(
    model: Traceable, feeds: Iterator[tuple[int, Feed]]
) -> Iterator[tuple[int, Feed, list[Floats]]]:
    """The feeds with the model's outputs, computed in the background, a portion ahead.

    A portion's texts are computed once each, together with those of their length: a checkpoint's
    answer does not depend on a batch or padding, and short texts cost little more than reading the
    weights, which is done once for all of them.
    """
    with ThreadPoolExecutor(_WORKERS) as pool:

        def ask(portion: list[tuple[int, Feed]]) -> dict[_Key, _Place]:
            by_length: dict[int, list[_Key]] = {}
            for key in dict.fromkeys(key for _, feed in portion for key in _rows(feed)):
                by_length.setdefault(len(key[0]), []).append(key)
            found: dict[_Key, _Place] = {}
            for length in sorted(by_length, reverse=True):  # the longest first: they take longest
                answers = pool.submit(_references, model, by_length[length])
                found |= {key: (answers, place) for place, key in enumerate(by_length[length])}
            return found

        def answered(
            portion: list[tuple[int, Feed]], found: dict[_Key, _Place]
        ) -> Iterator[tuple[int, Feed, list[Floats]]]:
            for used, feed in portion:
                places = [found[key] for key in _rows(feed)]
                rows = [answers.result()[place] for answers, place in places]
                yield used, feed, _assembled(model.task, feed, rows)

        try:
            waiting = None
            while portion := list(itertools.islice(feeds, _PORTION)):
                asked = portion, ask(portion)
                if waiting:
                    yield from answered(*waiting)
                waiting = asked
            if waiting:
                yield from answered(*waiting)
        finally:
            pool.shutdown(cancel_futures=True)


def _rows(feed: Feed) -> Iterator[_Key]:
    """Ids and types of each text of a feed, without padding."""
    flat = [feed[name].reshape(-1, feed[name].shape[-1]) for name in INPUT_NAMES]
    for ids, mask, types in zip(*flat, strict=True):
        length = mask.sum()
        yield tuple(ids[:length].tolist()), tuple(types[:length].tolist())


def verify(
    verification: Verification,
    session: Session,
    precision: str,
    texts: Sequence[str],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Parity:
    """Compare the artifact with the checkpoint.

    Args:
        verification: The checkpoint and its limits.
        session: The exported model, open.
        precision: Which limits to hold it to.
        texts: Any number of them; 200 ship with the package.
        progress: Called with the texts done and the texts in all.

    Raises:
        ParityError: an output is over its limit, with all figures in a table.
    """
    theirs = Traceable(verification.model)
    task = verification.task
    answers = _has_answers(verification)
    drifts = {name: _Drift() for name in task.outputs}
    done, total = 0, len(texts) * len(verification.lengths)
    with one_thread():  # runs are shared among threads, not products
        for used, feed, references in _with_references(theirs, _feeds(verification, texts)):
            outputs = session.run(feed)
            mask = feed["attention_mask"].astype(bool)
            for name, reference in zip(task.outputs, references, strict=True):
                axes = task.outputs[name]
                _compare(drifts[name], axes, mask, outputs[name], reference, answers=answers)
                drifts[name].judge(verification.kind, outputs[name], reference)
            done += used
            progress(min(done, total), total)
    parity = _parity(drifts, LIMITS[precision], len(texts))
    regrets = [regret for drift in drifts.values() for regret in drift.regrets]
    pairs = [pair for drift in drifts.values() for pair in drift.numbers]
    _check(parity, LIMITS[precision], precision, regrets, pairs)
    return parity


def _has_answers(verification: Verification) -> bool:
    """Whether the largest number of an output is an answer: not of a vector, nor of regression."""
    return verification.task.has_answers and verification.kind != "regression"


def _parity(drifts: dict[str, _Drift], limit: Limit, texts: int) -> Parity:
    agreed, counted, undecided = (
        sum(numbers) for numbers in zip(*(d.decided() for d in drifts.values()), strict=True)
    )
    return Parity(
        outputs={name: drift.parity(limit) for name, drift in drifts.items()},
        top1_agreement=_rounded(agreed / counted) if counted else None,
        answers=counted,
        answers_undecided=undecided,
        texts=texts,
    )


def _check(
    parity: Parity,
    limit: Limit,
    precision: str,
    regrets: Sequence[Floats] = (),
    numbers: Sequence[tuple[Floats, Floats]] = (),
) -> None:
    wrong = [name for name, output in parity.outputs.items() if not limit.holds(output)]
    agreement = parity.top1_agreement
    if agreement is not None and agreement < AGREEMENT:
        wrong.append(f"top-1 agreement {agreement:.4f} (at least {AGREEMENT})")
    if regrets and (near := float((np.concatenate(regrets) <= NEAR).mean())) < AGREEMENT:
        wrong.append(f"answers near the checkpoint's {near:.4f} (at least {AGREEMENT})")
    if numbers and not (off := _error(numbers)) <= ERROR:
        wrong.append(f"an error of {off:.2f} standard deviations (at most {ERROR})")
    if not wrong:
        return
    rows = [
        f"  {name:20}{output.max_abs_diff:>14.3g}{output.mean_cosine:>14.6f}"
        f"{output.min_cosine:>14.6f}   {output.tolerance}"
        for name, output in parity.outputs.items()
    ]
    header = f"  {'output':20}{'max_abs_diff':>14}{'mean_cosine':>14}{'min_cosine':>14}   limit"
    remedy = "use --precision fp32" if precision != "fp32" else "report it with the checkpoint"
    error = ParityError(
        f"the {precision} model does not answer as the checkpoint does: {', '.join(wrong)}; "
        f"nothing was written; {remedy}"
    )
    error.add_note("\n".join([header, *rows]))
    raise error


def _error(numbers: Sequence[tuple[Floats, Floats]]) -> float:
    """Of numbers that are answers; 0 where the checkpoint's are all the same, and so are ours."""
    ours, theirs = (np.concatenate(each).astype(np.float64) for each in zip(*numbers, strict=True))
    squares = np.square(ours - theirs).mean(axis=0)  # (outputs)
    spread = theirs.var(axis=0)
    return float(np.sqrt(squares / np.where(spread > 0, spread, 1)).max())


# Golden answers -----------------------------------------------------------------------------


def make_golden(
    verification: Verification, session: Session, parity: Parity, texts: Sequence[str]
) -> Golden:
    """Eight of the texts and what the artifact itself answers, for a consumer elsewhere."""
    places = [i * len(texts) // GOLDEN_TEXTS for i in range(GOLDEN_TEXTS)]
    # As far as int8 is from fp32, it may be from itself on another processor: an activation's
    # rounding decides differently. fp32 sums in another order.
    tolerance = {
        name: max(output.max_abs_diff, LIMITS["fp32"].max_abs_diff)
        for name, output in parity.outputs.items()
    }
    golden = tuple(_golden_text(verification, session, texts, place) for place in places)
    return Golden(schema_version=SCHEMA_VERSION, tolerance=tolerance, texts=golden)


def _golden_text(
    verification: Verification, session: Session, texts: Sequence[str], place: int
) -> GoldenText:
    task = verification.task
    length = verification.sequence_length or verification.lengths[-1]
    padded = verification.sequence_length is not None
    rows: list[tuple[str, str | None]]
    if task.has_choices:
        rows = [(texts[place], texts[(place + step) % len(texts)]) for step in (1, 2)]
        feed = _choices(verification, texts, [place], length, padded=padded)
    else:
        rows = [_row(texts, place, task)]
        feed = _feed(verification, rows, length, padded=padded)
    flat = {name: array.reshape(len(rows), -1).tolist() for name, array in feed.items()}
    outputs = session.run(feed)
    answers = _has_answers(verification)
    return GoldenText(
        texts=tuple(tuple(text for text in row if text is not None) for row in rows),
        **{name: tuple(map(tuple, values)) for name, values in flat.items()},
        outputs={name: _golden_output(array, answers=answers) for name, array in outputs.items()},
    )


def _golden_output(array: Floats, *, answers: bool) -> GoldenOutput:
    """Values spread evenly over the output, its first and last among them."""
    count = min(GOLDEN_VALUES, array.size)
    indices = np.linspace(0, array.size - 1, count).astype(int)
    top = array.argmax(-1).ravel().tolist() if answers else []
    return GoldenOutput(
        shape=array.shape,
        indices=tuple(indices.tolist()),
        values=tuple(_rounded(float(value)) for value in array.ravel()[indices]),
        top=tuple(top),
    )
