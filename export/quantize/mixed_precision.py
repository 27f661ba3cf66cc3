"""int8 and int4 that fail closed: what stays in higher precision, so that the answers hold.

When verification refuses a file, the units that do the outputs the most harm go a step up, int4 to
int8 and int8 to fp32: as many as make up half of the expected error, the next time three quarters
of what is left, and so on. Each time the file is written and held against the checkpoint again,
until it passes, or half of the products' weights would have to stay.
Only a file that passed is kept, whatever was expected of it.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from squeezebert_mobile.errors import ParityError
from squeezebert_mobile.export.backends.onnx.quantization import symmetric
from squeezebert_mobile.export.quantize import int4 as four_bits
from squeezebert_mobile.export.quantize.calibration import Inputs
from squeezebert_mobile.export.quantize.gptq import round_weights
from squeezebert_mobile.export.quantize.sensitivity import (
    Activations,
    Feed,
    Unit,
    noise,
    signal_to_noise,
    units,
)
from squeezebert_mobile.models.rewriting import Traceable

__all__ = ["QUANTIZED", "Keeping"]

#: The precisions that round.
QUANTIZED = ("int8", "int4")
_BYTES = {"int4": 0.5, "int8": 1, "fp32": 4}  # of a weight, scales left out
_FIRST = 0.5  # what the first repair leaves of the expected error; the next leaves the square of it
_MOST_KEPT = 0.5  # of the products' weights: from there on neither size nor speed is int8's
_SHOWN = 12  # units of an error's table


class Keeping:
    """The precision of every unit of a model; none differs from what was asked for at first."""

    def __init__(
        self,
        model: Traceable,
        read: dict[nn.Linear, Inputs],
        precision: str,
        activations: Activations,
        feeds: Sequence[Feed],
    ) -> None:
        """Measure what each unit does to the outputs.

        Args:
            model: What `rewrite` gave, ready but for rounding.
            read: What its encoder's products read.
            precision: "int8" or "int4".
            activations: How its products quantize what they read.
            feeds: What to measure with.
        """
        self._model, self._read, self._precision = model, read, precision
        self._activations, self._feeds = activations, feeds
        self._units = units(model)
        self._leave = _FIRST
        self._of = dict.fromkeys(self._units, precision)
        self._originals: dict[nn.Module, Tensor] = {product: product.weight for product in read}
        self._rounded: dict[str, Mapping[nn.Module, Tensor]] = {}
        #: Products, and tables that a decoder multiplies by.
        self._multiplied = {
            module
            for unit in self._units.values()
            for module in unit.stored
            if not unit.is_table or len(unit.modules) > 1
        }
        self._decibels = self._measured(list(self._units.values()))
        self.sensitivity = dict(self._decibels)  # each unit's, in the precision asked for

    @property
    def apart(self) -> dict[str, str]:
        """Module -> the precision that it has instead, by its name in the model."""
        return {
            path: precision
            for name, precision in self._of.items()
            if precision != self._precision
            for path in self._units[name].modules
        }

    @property
    def kept(self) -> dict[str, str]:
        """Unit -> why it has another precision and what that costs, for the manifest."""
        products = _numbers(unit for unit in self._units.values() if not unit.is_table)
        found = {}
        for name, precision in self._of.items():
            if precision == self._precision:
                continue
            unit = self._units[name]
            had = self._precision if self._has_four_bits(unit) else "int8"
            more = unit.numbers * (_BYTES[precision] - _BYTES[had])
            cost = f"{more / 1e6:.2f} MB more"
            if not unit.is_table:
                cost += f", {unit.numbers / products:.1%} of the products' weights"
            found[name] = (
                f"{precision}: {self._precision} by itself leaves the outputs "
                f"{self.sensitivity[name]:.1f} dB above its error; {cost}"
            )
        return found

    def set_weights(self) -> None:
        """Round the encoder's products, each to its precision; other modules are rounded later."""
        for unit in self._units.values():
            for module in unit.stored:
                if module in self._originals:
                    weight = self._weight(module, self._of[unit.name])
                    module.weight = nn.Parameter(weight, requires_grad=False)

    def keep_more(self, error: ParityError) -> None:
        """Take the worst units a step up.

        Args:
            error: What verification said.

        Raises:
            ParityError: `error`, with the units in a table: nothing more may be kept.
        """
        self._unround()
        raised = self._worst()
        self._leave *= _FIRST
        if not raised:
            error.add_note(self._table())
            raise error
        self._of |= raised
        self._decibels |= self._measured([self._units[name] for name in raised])

    # The error ------------------------------------------------------------------------------

    def _measured(self, measured: Sequence[Unit]) -> dict[str, float]:
        """The dB of units, each in its precision."""
        rounded = [unit for unit in measured if self._of[unit.name] != "fp32"]
        weights = {
            module: self._weight(module, self._of[unit.name])
            for unit in rounded
            for module in unit.stored
        }
        return signal_to_noise(self._model, rounded, weights, self._activations, self._feeds)

    def _worst(self) -> dict[str, str]:
        """The units that make up most of the expected error, the worst first, a step up.

        As few as that takes, and no more of the products than may be kept.
        """
        quantized = [name for name, precision in self._of.items() if precision != "fp32"]
        harm = {name: noise(self._decibels[name]) for name in quantized}
        total = sum(harm.values())
        products = [unit for unit in self._units.values() if not unit.is_table]
        room = _MOST_KEPT * _numbers(products)
        room -= _numbers(unit for unit in products if self._of[unit.name] == "fp32")
        raised: dict[str, str] = {}
        left = total
        for name in sorted(harm, key=lambda name: harm[name], reverse=True):
            unit = self._units[name]
            higher = self._next(unit)
            takes = unit.numbers if higher == "fp32" and not unit.is_table else 0
            if left <= self._leave * total:
                break
            if takes > room:
                continue
            left -= harm[name]
            room -= takes
            raised[name] = higher
        return raised

    def _table(self) -> str:
        worst = sorted(self.sensitivity, key=lambda name: self.sensitivity[name])[:_SHOWN]
        rows = [f"  {name:42}{self.sensitivity[name]:>8.1f}   {self._of[name]}" for name in worst]
        header = f"  {self._precision + ' by itself':42}{'dB':>8}   was tried in"
        return "\n".join([header, *rows])

    # Weights --------------------------------------------------------------------------------

    def _unround(self) -> None:
        for product, weight in self._originals.items():
            product.weight = weight

    def _weight(self, module: nn.Embedding | nn.Linear, precision: str) -> Tensor:
        """A module's weight as the file will have it."""
        if precision == "fp32":
            return self._originals.get(module, module.weight)
        if module in self._originals:
            if precision not in self._rounded:
                self._unround()
                rounded = round_weights(self._read, precision=precision)
                self._rounded[precision] = dict(rounded.items())
            return self._rounded[precision][module]
        return _nearest(module, precision, multiplied=module in self._multiplied)

    def _next(self, unit: Unit) -> str:
        """A step up. Of what int4 stores as int8 does, that is fp32."""
        return "int8" if self._of[unit.name] == "int4" and self._has_four_bits(unit) else "fp32"

    def _has_four_bits(self, unit: Unit) -> bool:
        return any(module in self._originals or _is_packed(module) for module in unit.stored)


def _numbers(units: Iterable[Unit]) -> int:
    return sum(unit.numbers for unit in units)


@torch.no_grad()
def _nearest(module: nn.Embedding | nn.Linear, precision: str, *, multiplied: bool) -> Tensor:
    """Rows rounded as `quantize` and `with_int8` do it."""
    weight = module.weight.detach()
    if precision == "int4" and _is_packed(module):
        return four_bits.unpacked_rows(*four_bits.packed_rows(weight.numpy()))
    values, scales = symmetric(weight.numpy(), axis=1, multiplied=multiplied)
    return torch.from_numpy(values * scales[:, None])


def _is_packed(module: nn.Module) -> bool:
    """Whether int4 has 4 bits for this module, if it is none of the encoder's products."""
    return isinstance(module, nn.Embedding) and four_bits.is_packed(module.weight.shape)
