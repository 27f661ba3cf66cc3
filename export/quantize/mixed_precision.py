"""Mixed precision: which units stay in a higher precision, so that the outputs stay within limits.

When verification finds violations, the units that harm the outputs most go one precision up, int4
to int8 and int8 to fp32: first as many as cause half of the expected error, the next time three
quarters of what is left, and so on. Each time the file is written and verified again, until it
passes or more than half of the products' weights would have to stay fp32.

The expected error only decides which units come first. Only a file that passes verification is
kept.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.feeds.building import TensorFeed
from squeezebert_mobile.export.quantize.calibration import Statistics
from squeezebert_mobile.export.quantize.compensation import compensate
from squeezebert_mobile.export.quantize.gptq import round_weights
from squeezebert_mobile.export.quantize.grid import make_grid
from squeezebert_mobile.export.quantize.int4 import (
    dequantize_table,
    is_int4_table,
    quantize_table,
)
from squeezebert_mobile.export.quantize.recipe import BLOCK, RECIPES, TABLE_BLOCK, Activations
from squeezebert_mobile.export.quantize.rounding import quantize_symmetric
from squeezebert_mobile.export.quantize.sensitivity import Unit, noise, signal_to_noise, units
from squeezebert_mobile.models.facts import FLOAT_BYTES
from squeezebert_mobile.models.rewriting import Traceable

__all__ = ["MAX_FP32", "MixedPrecision"]

#: Bytes per weight of a product, with the scales of int4's blocks, without those of channels.
_BYTES = {"int4": 0.5 + 0.5 / BLOCK, "int8": 1, "fp32": FLOAT_BYTES}
_TABLE_BYTES = _BYTES | {"int4": 0.5 + FLOAT_BYTES / TABLE_BLOCK}
_REMAINING = 0.5  # of the expected error after the first step; after the next, the square of it
#: Of the products' weights: beyond it neither size nor speed is that of int8.
MAX_FP32 = 0.5
_TABLE_ROWS = 12  # units in the table of an error


class MixedPrecision:
    """The precision of every unit of a model; at first, of all of them the requested one."""

    def __init__(
        self,
        model: Traceable,
        statistics: Statistics,
        precision: str,
        activations: Activations,
        feeds: Sequence[TensorFeed],
        *,
        fitted_to: Sequence[TensorFeed] = (),
        is_trained: bool = False,
    ) -> None:
        """Measure the sensitivity of each unit.

        Args:
            model: The result of `rewrite`, after smoothing and before rounding.
            statistics: What its encoder's products read.
            precision: "int8" or "int4".
            activations: How its products quantize their inputs.
            feeds: The inputs to measure with.
            fitted_to: The inputs for which int4 makes up for its errors (`compensation.py`).
            is_trained: Whether the weights were trained for this precision: each one then takes
                the nearest value of its grid, as in training.
        """
        self._model, self._statistics, self._precision = model, statistics, precision
        self._activations, self._feeds, self._fitted_to = activations, feeds, fitted_to
        self._units = units(model)
        self._is_trained = is_trained
        self._remaining = _REMAINING
        self._precision_of = dict.fromkeys(self._units, precision)
        self._originals: dict[nn.Module, Tensor] = {
            product: product.weight for product in statistics
        }
        self._biases: dict[nn.Module, Tensor] = {product: product.bias for product in statistics}
        self._rounded: dict[str, Mapping[nn.Module, Tensor]] = {}
        #: Products, and tables that a tied decoder multiplies by.
        self._multiplied = {
            module
            for unit in self._units.values()
            for module in unit.stored
            if not unit.is_table or len(unit.modules) > 1
        }
        self._decibels = self._measure(list(self._units.values()))
        #: The signal-to-noise ratio of each unit in the requested precision, in dB.
        self.sensitivity = dict(self._decibels)

    @property
    def overrides(self) -> dict[str, str]:
        """Module -> its precision, where that is not the requested one; by path in the model."""
        return {
            path: precision
            for name, precision in self._precision_of.items()
            if precision != self._precision
            for path in self._units[name].modules
        }

    @property
    def reasons(self) -> dict[str, str]:
        """Unit -> why it has another precision and what that costs, for the manifest."""
        products = _numbers(unit for unit in self._units.values() if not unit.is_table)
        result = {}
        for name, precision in self._precision_of.items():
            if precision == self._precision:
                continue
            unit = self._units[name]
            requested = self._precision if self._has_int4(unit) else "int8"
            each = _TABLE_BYTES if unit.is_table else _BYTES
            more = unit.numbers * (each[precision] - each[requested])
            cost = f"{more / 1e6:.2f} MB more"
            if not unit.is_table:
                cost += f", {unit.numbers / products:.1%} of the products' weights"
            result[name] = (
                f"{precision}: {self._precision} by itself leaves the outputs "
                f"{self.sensitivity[name]:.1f} dB above its error; {cost}"
            )
        return result

    def set_weights(self) -> None:
        """Round the encoder's products in place; the backend rounds the other modules."""
        weights: dict[nn.Module, Tensor] = {
            module: self._weight(module, self._precision_of[unit.name])
            for unit in self._units.values()
            for module in unit.stored
            if module in self._originals or self._fitted_to
        }
        self._restore_weights()
        biases = self._biases
        if self._fitted_to:
            fitted = self._compensated(weights)
            weights |= {product: weight for product, (weight, _) in fitted.items()}
            biases = biases | {product: bias for product, (_, bias) in fitted.items()}
        for product in self._originals:
            product.weight = nn.Parameter(weights[product], requires_grad=False)
            product.bias = nn.Parameter(biases[product], requires_grad=False)

    def set_tables(self) -> None:
        """Round the embedding tables in place, as the backend would."""
        for unit in self._units.values():
            for module in unit.stored:
                if isinstance(module, nn.Embedding):
                    module.weight.data.copy_(self._weight(module, self._precision_of[unit.name]))

    def _compensated(
        self, weights: Mapping[nn.Module, Tensor]
    ) -> dict[nn.Module, tuple[Tensor, Tensor]]:
        """The weights and biases of products that make up for the errors of others."""
        adjustable = {
            module
            for unit in self._units.values()
            if self._precision_of[unit.name] == self._precision
            for module in unit.stored
        }
        feeds, precision = self._fitted_to, self._precision
        return compensate(
            self._model, weights, adjustable, self._activations, feeds, precision=precision
        )

    def raise_precision(self) -> bool:
        """Take the units with the largest error one precision up.

        Returns:
            Whether there was such a unit; False once no more weights may stay fp32.
        """
        self._restore_weights()
        raised = self._most_harmful()
        self._remaining *= _REMAINING
        self._precision_of |= raised
        self._decibels |= self._measure([self._units[name] for name in raised])
        return bool(raised)

    def table(self) -> str:
        """The most sensitive units and the precision that each one has now, for an error."""
        worst = sorted(self.sensitivity, key=lambda name: self.sensitivity[name])[:_TABLE_ROWS]
        rows = [
            f"  {name:42}{self.sensitivity[name]:>8.1f}   {self._precision_of[name]}"
            for name in worst
        ]
        header = f"  {self._precision + ' by itself':42}{'dB':>8}   was tried in"
        return "\n".join([header, *rows])

    # The expected error ---------------------------------------------------------------------

    def _measure(self, measured: Sequence[Unit]) -> dict[str, float]:
        """The dB of units, each in its present precision."""
        rounded = [unit for unit in measured if self._precision_of[unit.name] != "fp32"]
        weights = {
            module: self._weight(module, self._precision_of[unit.name])
            for unit in rounded
            for module in unit.stored
        }
        return signal_to_noise(self._model, rounded, weights, self._activations, self._feeds)

    def _most_harmful(self) -> dict[str, str]:
        """The units that cause most of the expected error, with the next higher precision.

        As few units as possible, and no more fp32 weights in products than `MAX_FP32` allows.
        """
        quantized = [name for name, precision in self._precision_of.items() if precision != "fp32"]
        error = {name: noise(self._decibels[name]) for name in quantized}
        products = [unit for unit in self._units.values() if not unit.is_table]
        room = MAX_FP32 * _numbers(products)
        room -= _numbers(unit for unit in products if self._precision_of[unit.name] == "fp32")
        raised: dict[str, str] = {}
        left = total = sum(error.values())
        for name in sorted(error, key=lambda name: error[name], reverse=True):
            unit = self._units[name]
            higher = self._next_precision(unit)
            fp32_numbers = unit.numbers if higher == "fp32" and not unit.is_table else 0
            if left <= self._remaining * total:
                break
            if fp32_numbers > room:
                continue
            left -= error[name]
            room -= fp32_numbers
            raised[name] = higher
        return raised

    # Weights --------------------------------------------------------------------------------

    def _restore_weights(self) -> None:
        for product, weight in self._originals.items():
            product.weight, product.bias = weight, self._biases[product]

    def _weight(self, module: nn.Embedding | nn.Linear, precision: str) -> Tensor:
        """A module's weight with the values that the file will have."""
        if precision == "fp32":
            return self._originals.get(module, module.weight)
        if module in self._originals:
            if precision not in self._rounded:
                self._restore_weights()
                self._rounded[precision] = self._rounded_products(precision)
                if precision == "int8":  # there is no other precision to round to
                    self._statistics = {}  # as large as the model
            return self._rounded[precision][module]
        return _as_stored(module, precision, pairs=module in self._multiplied)

    def _rounded_products(self, precision: str) -> dict[nn.Module, Tensor]:
        if self._is_trained and precision == self._precision:
            recipe = RECIPES[precision]
            return {
                product: make_grid(weight, recipe).nearest(weight)
                for product, weight in self._originals.items()
            }
        return dict(round_weights(self._statistics, precision=precision).items())

    def _next_precision(self, unit: Unit) -> str:
        """One precision up. For what int4 stores as int8 anyway, that is fp32."""
        has_int4 = self._precision_of[unit.name] == "int4" and self._has_int4(unit)
        return "int8" if has_int4 else "fp32"

    def _has_int4(self, unit: Unit) -> bool:
        """Whether int4 stores any of the unit's weights in 4 bits."""
        return any(module in self._originals or _has_int4_rows(module) for module in unit.stored)


def _numbers(units: Iterable[Unit]) -> int:
    return sum(unit.numbers for unit in units)


@torch.no_grad()
def _as_stored(module: nn.Embedding | nn.Linear, precision: str, *, pairs: bool) -> Tensor:
    """The weight of a module that the backend rounds, with the values that it will have."""
    weight = module.weight.detach()
    if precision == "int4" and _has_int4_rows(module):
        return dequantize_table(*quantize_table(weight.numpy()))
    values, scales = quantize_symmetric(weight.numpy(), axis=1, pairs=pairs)
    return torch.from_numpy(values * scales[:, None])


def _has_int4_rows(module: nn.Module) -> bool:
    return isinstance(module, nn.Embedding) and is_int4_table(module.weight.shape)
