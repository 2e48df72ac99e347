"""Which block is dilated how much: the variants of Table 2 and what else the sources give. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice


class Variant(StrEnum):
    """Dilations of the blocks of res4b and res5b, in order.

    Attributes:
        UNIFORM: The baseline: 2 in res4b and 4 in res5b (Section 4.1).
        NONE: No dilation at all.
        CONV: Blocks in pairs, 2 then 1; each module begins anew.
        RF: Blocks of res4b in threes, 1, 2 and 3, with 2 in those left over; 3, 4 and 5 in res5b.
        BIGGER: Blocks of res4b in fours, 1, 2, 5 and 9, those left over alike; 5, 9 and 17 in res5b.
        RELEASED: The authors' code: BIGGER, but its first block has 2.
    """

    UNIFORM = "uniform"
    NONE = "No dilation"
    CONV = "Dilation-conv"
    RF = "Dilation-RF"
    BIGGER = "Dilation-bigger"
    RELEASED = "the released code"


RES4 = {101: 23, 152: 36}
"""Blocks of res4b (Section 4.1 for 101 layers; He et al., Table 1, for 152)."""
RES5 = 3
"""Blocks of res5b."""


def res4(variant: Variant, blocks: int = RES4[101]) -> tuple[int, ...]:
    """Return the dilation of each of the ``blocks`` blocks of res4b.

    For other numbers than the paper's 23 its groups go on in the same way.
    """
    match variant:
        case Variant.UNIFORM:
            return (2,) * blocks
        case Variant.NONE:
            return (1,) * blocks
        case Variant.CONV:
            return _repeated((2, 1), blocks)
        case Variant.RF:
            grouped = blocks - blocks % 3
            return _repeated((1, 2, 3), grouped) + (2,) * (blocks - grouped)
        case Variant.BIGGER:
            return _repeated((1, 2, 5, 9), blocks)
        case Variant.RELEASED:
            return (2, *_repeated((1, 2, 5, 9), blocks)[1:])[:blocks]


def res5(variant: Variant, blocks: int = RES5) -> tuple[int, ...]:
    """Return the dilation of each of the ``blocks`` blocks of res5b; other numbers than 3 are cut or repeated."""
    match variant:
        case Variant.UNIFORM:
            return (4,) * blocks
        case Variant.NONE:
            return (1,) * blocks
        case Variant.CONV:
            return _repeated((2, 1), blocks)
        case Variant.RF:
            return _repeated((3, 4, 5), blocks)
        case Variant.BIGGER | Variant.RELEASED:
            return _repeated((5, 9, 17), blocks)


def both(variant: Variant, depth: int = 101) -> tuple[int, ...]:
    """Return the dilations of res4b and res5b of a network of ``depth`` layers, one after the other."""
    return res4(variant, RES4[depth]) + res5(variant)


@dataclass(frozen=True)
class Space:
    """A set of sequences of dilations to try.

    Attributes:
        lengths: Numbers of layers.
        largest: The largest rate; all from 1 on are tried.
        rising: Only sequences whose rates do not decrease, as in the paper's groups.
        from_one: Only sequences whose first rate is 1, as in all that the paper accepts.
        kernel: Taps of every layer.
    """

    lengths: tuple[int, ...] = (2, 3, 4, 5)
    largest: int = 10
    rising: bool = False
    from_one: bool = False
    kernel: int = 3


def _repeated(group: tuple[int, ...], blocks: int) -> tuple[int, ...]:
    return tuple(islice(cycle(group), blocks))
