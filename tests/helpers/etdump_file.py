"""ETDump files and the parts of programs that name operators, written with flatbuffers."""

from collections.abc import Sequence

import flatbuffers
import numpy as np
from numpy.typing import NDArray

__all__ = ["Event", "write_etdump", "write_program"]

#: Name, name of a delegate's operator, instruction, begin and end in ns.
Event = tuple[str, str, int, int, int]
_KERNEL_CALL, _DELEGATE_CALL, _MOVE_CALL = 1, 2, 3


class _Builder(flatbuffers.Builder):
    def table(self, size: int, **fields: tuple[str, object]) -> int:
        """A table; a field is called f and its number, and has its type and value."""
        self.StartObject(size)
        for name, (kind, value) in fields.items():
            default = -1 if (name, kind) == ("f2", "Int32") else 0
            getattr(self, f"Prepend{kind}Slot")(int(name[1:]), value, default)
        return self.EndObject()

    def vector(self, offsets: Sequence[int]) -> int:
        self.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.PrependUOffsetTRelative(offset)
        return self.EndVector()


def write_etdump(*blocks: Sequence[Event]) -> NDArray[np.uint8]:
    """An ETDump with a block for each run, or for what was before the first."""
    builder = _Builder(0)
    tables = []
    for events in blocks:
        entries = []
        for name, part, instruction, begin, end in events:
            texts = {"f0": name, "f4": part}
            offsets = {k: ("UOffsetTRelative", builder.CreateString(v)) for k, v in texts.items()}
            profile = builder.table(
                8,
                **offsets,
                f2=("Int32", instruction),
                f6=("Uint64", begin),
                f7=("Uint64", end),
            )
            entries.append(builder.table(3, f0=("UOffsetTRelative", profile)))
        tables.append(builder.table(4, f3=("UOffsetTRelative", builder.vector(entries))))
    root = builder.table(2, f1=("UOffsetTRelative", builder.vector(tables)))
    builder.FinishSizePrefixed(root, file_identifier=b"ED00")
    return np.frombuffer(bytes(builder.Output()), np.uint8)


def write_program(*called: str, method: str = "forward") -> NDArray[np.uint8]:
    """A program: aten::add.out calls an operator, XnnpackBackend a delegate, "" moves a value."""
    builder = _Builder(0)
    instructions, operators, delegates = [], [], []
    for name in called:
        if "." in name:
            texts = [builder.CreateString(text) for text in name.split(".")]
            fields = {f"f{i}": ("UOffsetTRelative", text) for i, text in enumerate(texts)}
            kind, place = _KERNEL_CALL, len(operators)
            operators.append(builder.table(2, **fields))
        elif name:
            kind, place = _DELEGATE_CALL, len(delegates)
            delegates.append(builder.table(3, f0=("UOffsetTRelative", builder.CreateString(name))))
        else:
            kind, place = _MOVE_CALL, 7
        arguments = builder.table(2, f0=("Int32", place))
        instructions.append(
            builder.table(2, f0=("Uint8", kind), f1=("UOffsetTRelative", arguments))
        )
    chain = builder.table(4, f2=("UOffsetTRelative", builder.vector(instructions)))
    lists = {"f5": [chain], "f6": operators, "f7": delegates}
    vectors = {k: ("UOffsetTRelative", builder.vector(v)) for k, v in lists.items()}
    name = builder.CreateString(method)
    plan = builder.table(10, f0=("UOffsetTRelative", name), **vectors)
    root = builder.table(8, f1=("UOffsetTRelative", builder.vector([plan])))
    builder.Finish(root)
    return np.frombuffer(bytes(builder.Output()), np.uint8)
