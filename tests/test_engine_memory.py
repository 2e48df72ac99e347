"""Peak memory of a computation, on ones whose need is known."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from harness.engine.memory import peak_growth


def result_of(device: torch.device, mebibytes: int) -> Callable[[], Tensor]:
    return partial(torch.full, (mebibytes * 2**18,), 1.0, device=device)


def work_space(device: torch.device, mebibytes: int) -> Callable[[], Tensor]:
    return partial(_sum, result_of(device, mebibytes))


def _sum(make: Callable[[], Tensor]) -> Tensor:
    return make().sum()


@pytest.mark.parametrize("work", [result_of, work_space])
def test_scoring_and_work_space_count(work: Callable[..., Callable[[], Tensor]]) -> None:
    small, large = (peak_growth(partial(work, mebibytes=size), "cpu") for size in (40, 200))
    assert small == pytest.approx(40, abs=10)
    assert large == pytest.approx(200, abs=10)


def test_a_large_process_does_not_hide_the_growth() -> None:
    held = torch.ones(300 * 2**18)
    assert peak_growth(partial(result_of, mebibytes=60), "cpu") == pytest.approx(60, abs=10)
    assert float(held[0]) == 1
