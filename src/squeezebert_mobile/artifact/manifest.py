"""manifest.json: what the model is, how it was made, how close it is to its checkpoint."""

from typing import Annotated, Final, Literal

from pydantic import Field

from squeezebert_mobile.artifact.schema import Count, Fraction, Record, Sha256
from squeezebert_mobile.artifact.spec import ModelSpec, TensorSpec
from squeezebert_mobile.formats import FORMATS, Format, Precision

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
MANIFEST_FILE = "manifest.json"


class ModelFacts(Record):
    """The architecture, as far as a consumer shows it."""

    type: Literal["squeezebert", "bert"]
    layers: Count
    hidden: Count
    heads: Count
    groups: dict[str, Count]  # of each of the six encoder products
    parameters: Count
    vocab_size: Count


class Part(Record):
    """The embeddings, the encoder, or the head."""

    parameters: Annotated[int, Field(ge=0)]
    checkpoint_bytes: Annotated[int, Field(ge=0)]  # in float32
    bytes: Annotated[int, Field(ge=0)]  # in the artifact's model file


class Source(Record):
    """Where the weights came from."""

    name: str
    sha256: Sha256  # over the checkpoint's weight files
    license: str | None = None


class Quantization(Record):
    """The recipe: how each kind of number is stored, and what stayed in higher precision."""

    weights: str
    embeddings: str
    activations: str
    engine: str | None = None  # torch's engine for int8, which the file is packed for (TorchScript)
    kept: dict[str, str] = {}  # part -> why
    approximated: dict[str, str] = {}  # operator -> how, and what that does to the outputs
    #: Unit -> dB: the outputs over their error when it alone is quantized, and the rest is fp32.
    sensitivity: dict[str, float] = {}


class Accuracy(Record):
    """A metric on labelled data: the checkpoint's and this artifact's."""

    data: str  # the file's name
    examples: Annotated[int, Field(ge=1)]
    metric: str
    checkpoint: float
    artifact: float


class FileFacts(Record):
    """A file of the artifact."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class OutputParity(Record):
    """How far one output is from the fp32 checkpoint's, over all verification batches."""

    max_abs_diff: Annotated[float, Field(ge=0)]
    mean_cosine: float
    min_cosine: float
    tolerance: str  # the limit that was held, in words: "max_abs_diff <= 0.0001"


class Parity(Record):
    """The result of verification against the fp32 checkpoint."""

    outputs: dict[str, OutputParity]
    top1_agreement: Fraction | None  # None where no output is an answer (feature-extraction)
    answers: Annotated[int, Field(ge=0)]  # how many the agreement was counted over
    answers_undecided: Annotated[int, Field(ge=0)]  # margin within the drift: not counted
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
    source: Source
    quantization: Quantization | None
    operators: dict[str, Count]  # what the model file is made of, and its runtime must know
    delegated: dict[str, Count] = {}  # the operators that a backend runs (ExecuTorch)
    planned_bytes: Count | None = None  # memory reserved for the longest input (ExecuTorch)
    files: dict[str, FileFacts]
    parity: Parity
    accuracy: Accuracy | None = None  # on data that the export was given
    versions: dict[str, str]

    @property
    def model_file(self) -> str:
        """The name of the file that the format's runtime opens."""
        return FORMATS[self.format].file

    @property
    def model_bytes(self) -> int:
        """The size of the model, with the file of its weights if that is another (ONNX)."""
        return sum(
            facts.bytes for name, facts in self.files.items() if name.startswith(self.model_file)
        )

    @property
    def sequence_length(self) -> int | None:
        """The fixed sequence length, or None where it is dynamic."""
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
        )
