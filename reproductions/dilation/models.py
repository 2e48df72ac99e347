"""The networks of the paper: a front end, a context module or none, and class scores at the image's pixels."""

from __future__ import annotations

from torch import Tensor, nn

from harness.errors import UsageError
from harness.networks.upsampling import Alignment, upsample
from reproductions.dilation.context import ContextModule
from reproductions.dilation.frontend import DenseVGG, FCN8s, front_end
from reproductions.dilation.specs import PUBLISHED, ContextSpec, FrontEnd, Margin, Size, find_context

__all__ = ["ContextModule", "DenseVGG", "FCN8s", "Segmenter", "build", "build_context"]


class Segmenter(nn.Module):
    """A front end whose score maps may pass through a context module before they are upsampled (Sections 3 and 4).

    Args:
        front: The front end.
        context: The context module; None leaves the front end's scores as they are.
        alignment: Where cells lie on the image. The released networks are trained on the labels of every 8th pixel
            and upsample accordingly, which is the default.
    """

    def __init__(
        self, front: DenseVGG, context: ContextModule | None, alignment: Alignment = Alignment.SAMPLES
    ) -> None:
        super().__init__()
        self.front = front
        self.context = context
        self.alignment = alignment

    def features(self, x: Tensor) -> Tensor:
        """Return the map that the last 1x1 layer reads, of the size of the scores."""
        if self.context is None:
            return self.front.features(x)
        return self.context.features(self.front(x))

    def scores(self, x: Tensor) -> Tensor:
        """Return class scores at each cell; see :class:`reproductions.dilation.frontend.DenseVGG`."""
        scores: Tensor = self.front(x)
        if self.context is not None:
            scores = self.context(scores)
        return scores

    def forward(self, x: Tensor) -> Tensor:
        """Map images [N, 3, H, W] to class scores at their pixels, [N, classes, H, W]."""
        return upsample(self.scores(x), (x.shape[-2], x.shape[-1]), self.front.stride, self.alignment)

    def probabilities(self, x: Tensor) -> Tensor:
        """Return class probabilities [N, classes, H, W], upsampled after the softmax as the released code does."""
        return upsample(self.scores(x).softmax(dim=1), (x.shape[-2], x.shape[-1]), self.front.stride, self.alignment)


def build(
    front: FrontEnd,
    context: ContextModule | None = None,
    *,
    classes: int = 21,
    margin: Margin | None = None,
    alignment: Alignment | None = None,
    size: Size = PUBLISHED,
) -> Segmenter | FCN8s:
    """Build a network from torch's current random state.

    Args:
        front: The adaptation of VGG-16.
        context: The module that its scores pass through, of as many classes.
        classes: Scored at each pixel.
        margin: What surrounds the image, by default what the publication says.
        alignment: Where cells lie on the image, by default SAMPLES. For DeepLab that is where its fields are centred
            and, on images of 8 k + 1 pixels, its own interpolation.
        size: How large the front end is built.

    Raises:
        UsageError: FCN-8s with a context module or an alignment, or as :func:`front_end`.
    """
    network = front_end(front, classes, margin=margin, size=size)
    if isinstance(network, FCN8s):
        if context is not None or alignment is not None:
            raise UsageError("FCN-8s has an upsampling of its own and no score map that a context module could read")
        return network
    return Segmenter(network, context, alignment or Alignment.SAMPLES)


def build_context(
    spec: str | ContextSpec,
    classes: int = 21,
    *,
    margin: Margin = Margin.ZEROS,
    identity: bool = True,
    deviation: float = 0.0,
) -> ContextModule:
    """Build a context module; arguments as :class:`reproductions.dilation.context.ContextModule`.

    Raises:
        UsageError: No module has that name, or there is no class.
    """
    if classes < 1:
        raise UsageError(f"a context module needs at least one class, not {classes}")
    found = find_context(spec) if isinstance(spec, str) else spec
    return ContextModule(found, classes, margin=margin, identity=identity, deviation=deviation)
