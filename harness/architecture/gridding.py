"""Gridding: how much of a periodic pattern a network prints on its feature map.

A convolution dilated by p relates cells p apart and ignores those between them, so one active pixel comes out as a
grid of pixels p apart (Yu, Koltun and Funkhouser, Section 4 and Figure 4). In the frequency domain such a
convolution passes the *grid frequencies*, the multiples of 1/p cycles per cell, as well as it passes a constant,
and damps what lies between. Gridding is measured as this resurgence, in two ways.

*Of a network* (:func:`gridding`). Replace the network by its linear skeleton, in which every convolution averages
with binomial taps (1 2 1 for three), the plainest smoothing without side lobes. Let a single cell be active in any
map that has the resolution of the last one, and let P(f) be the power spectrum of its response in the last map. On
the straight way from frequency 0 to a grid frequency g, gridding is how far the power rises again from its lowest
point, max(0, P(g) - min P(t g), 0 <= t <= 1) / P(0): the topographic prominence of the line at g. The score is the
largest over all grid frequencies and all maps. It is 0 for a network without dilation, whose response is smooth, 1
for a dilated convolution with nothing after it, and does not depend on scale. It sees structure only: neither what
training made of it nor the high-frequency input that Section 4 blames on max pooling.

*Of a feature map* (:func:`map_gridding`), whatever made it: the share of the map's spectral energy in lines at the
grid frequencies, beyond the trend of the spectrum around them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, fx, nn

from harness.architecture.graph import Window, live_nodes, trace, window_of
from harness.architecture.linear import Smoothing, linearise, smoothing_taps
from harness.architecture.receptive_field import receptive_fields

_STEPS = 32
"""Points between frequency 0 and a grid frequency at which the spectrum is compared."""


@dataclass(frozen=True)
class Gridding:
    """The worst pattern that one active cell prints on the last feature map.

    Attributes:
        score: Prominence of the pattern's spectral line, 0 (none) to 1 (a pure grid).
        frequency: Where it lies, (rows, columns) in cycles per cell.
        source: Name of the traced operation whose output held the active cell.
    """

    score: float
    frequency: tuple[float, float]
    source: str


def gridding(module: nn.Module, period: int = 4, smoothing: Smoothing = "binomial") -> Gridding:
    """Return the gridding of ``module``'s output map, in closed form from the traced graph.

    The response to a map is the sum, over the operations that read the map, of each one's transfer function times
    the response to its result; a window's transfer function is the Fourier transform of its taps.

    Args:
        module: A network whose output is a feature map.
        period: Grid frequencies are the multiples of 1 / period; a multiple of all dilations sees all their grids.
        smoothing: Taps of the linear skeleton. With uniform ones an undilated network scores 0.11, from the side
            lobe of a single 3x3 average, which has nothing to do with a grid.

    Raises:
        NotImplementedError: An operation has no window.
    """
    graph = trace(module)
    fields = receptive_fields(graph)
    lines = _lines(period)
    responses: dict[str, Tensor] = {}
    for node in reversed(live_nodes(graph)):
        if fields[node.name].stride != fields["output"].stride:
            continue
        response = torch.zeros(lines.shape[:2], dtype=torch.complex128)
        for user in node.users:
            if user.name in responses:
                response += responses[user.name] * _transfer(window_of(graph, user), lines, smoothing)
        responses[node.name] = torch.ones_like(response) if node.op == "output" else response
    return _worst({name: response.abs().square() for name, response in responses.items()}, lines)


def gridding_by_gradient(
    module: nn.Module, input_shape: tuple[int, int, int], period: int = 4, smoothing: Smoothing = "binomial"
) -> Gridding:
    """Return what :func:`gridding` does, measured: by running the linear skeleton on an image (C, H, W).

    The gradient of a central output cell with respect to a map is, mirrored, the response to one active cell of it.

    Raises:
        ValueError: The image is too small: a response reaches the border of the map.
    """
    graph = trace(module)
    probe = _Probe(fx.GraphModule(linearise(graph, smoothing), graph.graph))
    output: Tensor = probe.run(torch.ones(1, *input_shape, dtype=torch.float64))
    size = output.shape[-2:]
    cell = output[0, 0, size[0] // 2, size[1] // 2]
    cells = {name: cell for name, cell in probe.cells.items() if cell.shape[-2:] == size}
    gradients = torch.autograd.grad(cell, list(cells.values()), allow_unused=True)
    lines = _lines(period)
    powers: dict[str, Tensor] = {}
    for name, gradient in reversed(list(zip(cells, gradients, strict=True))):
        if gradient is None:
            continue
        response = gradient[0].sum(dim=0)
        border = (response[0], response[-1], response[:, 0], response[:, -1])
        if any(bool(edge.any()) for edge in border):
            raise ValueError(f"the response to {name} reaches the border of a map of {tuple(size)}; use a larger image")
        powers[name] = _power(response, lines)
    return _worst(powers, lines)


def map_gridding(maps: Tensor, period: int = 4) -> Tensor:
    """Return the gridding of feature or activation maps, one number in [0, 1] for each image.

    Each map loses its mean, is tapered by a Hann window and transformed; the power spectra of an image's channels
    are added up. Around each grid frequency g (a multiple of 1 / period in both axes, not 0), the *line* is the
    frequencies within 1 / (4 period) of g in both axes, and its *surroundings* the others within 1 / (2 period). The
    result is the power of all lines beyond what the mean power of their surroundings would give, as a share of
    all power; 0 where there is none. A smooth map has 0, a grid whose period divides the sides 1 (0.9 or more where
    it does not), white noise close to 0; neither scale nor offset matters.

    Args:
        maps: Real tensor [N, C, h, w].
        period: Grid frequencies are the multiples of 1 / period.

    Returns:
        float64 tensor [N].

    Raises:
        ValueError: A side is shorter than 4 periods, too short to tell a line from its surroundings.
    """
    rows, columns = maps.shape[-2:]
    if min(rows, columns) < 4 * period:
        raise ValueError(f"maps of {rows}x{columns} are too small for period {period}: 4 periods a side are needed")
    values = maps.detach().to(torch.float64)
    taper = torch.outer(*(torch.hann_window(n, dtype=torch.float64, device=maps.device) for n in (rows, columns)))
    centred = values - (values * taper).sum(dim=(-2, -1), keepdim=True) / taper.sum()
    spectrum = torch.fft.fft2(centred * taper).abs().square().sum(dim=1)
    excess = spectrum.new_zeros(maps.shape[0])
    for row, column in product(range(period), repeat=2):
        if (row, column) == (0, 0):
            continue
        from_row = _distance_of_bins(rows, row / period)[:, None]
        from_column = _distance_of_bins(columns, column / period)
        distance = torch.maximum(from_row, from_column).to(maps.device)
        line = distance <= 1 / (4 * period)
        around = (distance <= 1 / (2 * period)) & ~line
        excess += spectrum[:, line].sum(dim=1) - spectrum[:, around].mean(dim=1) * line.sum()
    total = spectrum.sum(dim=(-2, -1))
    rounding = (values.abs().amax(dim=(1, 2, 3)) * torch.finfo(torch.float64).eps).square() * values[0].numel() ** 2
    return torch.where(total > rounding, excess.clamp(min=0) / total, 0.0)


class _Probe(fx.Interpreter):
    """Runs a graph with a zero added to the result of every operation, to take gradients there."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.cells: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op == "output":
            return result
        self.cells[n.name] = torch.zeros_like(result, requires_grad=True)
        return result + self.cells[n.name]


def _lines(period: int) -> Tensor:
    """Return the ways from 0 to each grid frequency, [frequencies, points, 2], half of a plane that is symmetric."""
    ends = [
        (row / period, (column if 2 * column <= period else column - period) / period)
        for row, column in product(range(period // 2 + 1), range(period))
        if (row, column) != (0, 0)
    ]
    steps = torch.linspace(0, 1, _STEPS + 1, dtype=torch.float64)
    return torch.tensor(ends, dtype=torch.float64)[:, None] * steps[:, None]


def _transfer(window: Window, lines: Tensor, smoothing: Smoothing) -> Tensor:
    factors = []
    for axis in (0, 1):
        taps = torch.tensor(smoothing_taps(window.kernel[axis], smoothing), dtype=torch.complex128)
        offsets = torch.arange(len(taps)) * window.dilation[axis] - window.padding[axis]
        factors.append(_waves(lines[..., axis], offsets) @ taps)
    return factors[0] * factors[1]


def _power(response: Tensor, lines: Tensor) -> Tensor:
    """Return the power spectrum of a response [h, w] along ``lines``."""
    rows, columns = (_waves(lines[..., axis], torch.arange(response.shape[axis])) for axis in (0, 1))
    return torch.einsum("fph,hw,fpw->fp", rows, response.to(rows.dtype), columns).abs().square()


def _waves(frequencies: Tensor, offsets: Tensor) -> Tensor:
    return torch.exp(-2j * math.pi * frequencies[..., None] * offsets)


def _worst(powers: dict[str, Tensor], lines: Tensor) -> Gridding:
    """Return the most prominent line; of equals, the one whose source is nearest to the output."""
    worst = Gridding(0.0, (0.0, 0.0), "output")
    for source, power in powers.items():
        prominences = ((power[:, -1] - power.amin(dim=1)) / power[:, 0]).clamp(0, 1)
        index = int(prominences.argmax())
        score = float(prominences[index])
        if score > worst.score + 1e-9:
            row, column = lines[index, -1].tolist()
            worst = Gridding(score, (row, column), source)
    return worst


def _distance_of_bins(length: int, frequency: float) -> Tensor:
    """Return how far each bin of a transform lies from ``frequency``, in cycles per cell, less a rounding error."""
    offset = torch.fft.fftfreq(length, dtype=torch.float64) - frequency
    distance: Tensor = (offset - offset.round()).abs() - 1e-9
    return distance
