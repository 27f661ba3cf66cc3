"""manifest.json: the model, its export, and its accuracy against the checkpoint."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from squeezebert_mobile.artifact.schema import Count, Fraction, Name, Record, Sha256
from squeezebert_mobile.artifact.spec import ModelSpec, SentenceVector, TensorSpec
from squeezebert_mobile.formats import FORMATS, MANIFEST_FILE, Format, Precision

__all__ = [
    "MANIFEST_FILE",
    "SCHEMA_VERSION",
    "Accuracy",
    "FileFacts",
    "Manifest",
    "ModelFacts",
    "OutputParity",
    "Parity",
    "Part",
    "Quantization",
    "Source",
]

SCHEMA_VERSION: Final = 1


class ModelFacts(Record):
    """Facts about the architecture, for display."""

    type: Literal["squeezebert", "bert"]
    layers: Count
    hidden: Count
    heads: Count
    groups: dict[str, Count]  # for each of the six linear layers of an encoder layer
    parameters: Count
    vocab_size: Count


class Part(Record):
    """Size of the embeddings, the encoder or the head."""

    parameters: Annotated[int, Field(ge=0)]
    checkpoint_bytes: Annotated[int, Field(ge=0)]  # in float32
    bytes: Annotated[int, Field(ge=0)]  # in the artifact's model file


class Source(Record):
    """Where the weights come from."""

    name: Name
    sha256: Sha256  # of the checkpoint's weight files
    license: Name | None = None


class Quantization(Record):
    """The quantization recipe: how values are stored, and what stays in higher precision."""

    weights: str
    embeddings: str
    activations: str
    engine: str | None = None  # TorchScript: kernel backend that the weights are packed for
    kept: dict[str, str] = {}  # part -> reason
    approximated: dict[str, str] = {}  # operator -> method, and its effect on the outputs
    #: Part -> signal-to-noise ratio of the outputs in dB if only this part is quantized.
    sensitivity: dict[str, float] = {}


class Accuracy(Record):
    """A metric on labelled data, for the checkpoint and for the artifact."""

    data: Name  # of the file
    examples: Annotated[int, Field(ge=1)]
    metric: str
    checkpoint: float
    artifact: float


class FileFacts(Record):
    """A file of the artifact."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class OutputParity(Record):
    """Difference of one output from the fp32 checkpoint's, over all verification batches."""

    max_abs_diff: Annotated[float, Field(ge=0)]
    mean_cosine: float
    min_cosine: float
    tolerance: str  # the limit, in words: "max_abs_diff <= 0.0001"


class Parity(Record):
    """The result of verification against the fp32 checkpoint."""

    outputs: dict[str, OutputParity]
    top1_agreement: Fraction | None  # None if no output is an answer (feature-extraction)
    answers: Annotated[int, Field(ge=0)]  # compared for top1_agreement
    answers_undecided: Annotated[int, Field(ge=0)]  # margin below the difference; not compared
    texts: Annotated[int, Field(ge=0)]


class Manifest(Record):
    """manifest.json."""

    schema_version: Literal[1]
    task: str
    labels: tuple[str, ...] | None
    problem_type: (
        Literal["regression", "single_label_classification", "multi_label_classification"] | None
    ) = None
    model: ModelFacts
    parts: dict[str, Part]
    weights: Literal["trained", "random"]
    format: Format
    precision: Precision
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_sequence_length: Count
    #: Of a file of fixed shapes (LiteRT): the lengths in tokens that it takes, ascending; left out
    #: of the manifest otherwise.
    sequence_lengths: Annotated[
        tuple[Count, ...] | None, Field(min_length=1, exclude_if=lambda value: not value)
    ] = None
    #: Of a checkpoint with modules.json (sentence-transformers); left out of the file otherwise.
    sentence_vector: Annotated[SentenceVector | None, Field(exclude_if=lambda value: not value)] = (
        None
    )
    source: Source
    quantization: Quantization | None
    #: In the model file, which the runtime must support. LiteRT: for each of its lengths.
    operators: dict[str, Count]
    delegated: dict[str, Count] = {}  # those that XNNPACK runs (ExecuTorch, LiteRT)
    planned_bytes: Count | None = None  # activation memory for the longest input (ExecuTorch)
    files: dict[str, FileFacts]
    parity: Parity
    accuracy: Accuracy | None = None  # on the data passed to the export
    versions: dict[str, str]

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        lengths = self.sequence_lengths or (self.max_sequence_length,)
        if list(lengths) != sorted(set(lengths)) or lengths[-1] != self.max_sequence_length:
            raise ValueError(
                f"sequence_lengths {list(lengths)} must ascend to max_sequence_length, "
                f"{self.max_sequence_length}"
            )
        return self

    @property
    def model_file(self) -> str:
        """Name of the model file."""
        return FORMATS[self.format].file

    @property
    def model_bytes(self) -> int:
        """Size of the model file, including external weights (ONNX)."""
        return sum(
            facts.bytes for name, facts in self.files.items() if name.startswith(self.model_file)
        )

    @property
    def sequence_length(self) -> int | None:
        """The fixed sequence length; None if it is dynamic."""
        return self.spec.sequence_length

    @property
    def spec(self) -> ModelSpec:
        """What a session and a pipeline need to know."""
        return ModelSpec(
            task=self.task,
            labels=self.labels,
            problem_type=self.problem_type,
            inputs=self.inputs,
            outputs=self.outputs,
            max_sequence_length=self.max_sequence_length,
            vocab_size=self.model.vocab_size,
            engine=self.quantization.engine if self.quantization else None,
            sentence_vector=self.sentence_vector,
            sequence_lengths=self.sequence_lengths,
        )
