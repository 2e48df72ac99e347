"""Protocols by the rules of released evaluation code; what a checkpoint was trained on, its paper's package says."""

from __future__ import annotations

from harness.evaluation.protocol import (
    Alignment,
    Colours,
    Fill,
    Fusion,
    Grid,
    Kernel,
    Library,
    Padding,
    Quantity,
    Resize,
    Seams,
    SegmentationProtocol,
    Size,
    SizeRule,
    Tiling,
    Upsampling,
)


def summed_log_probabilities(colours: Colours, scales: tuple[float, ...] = (1.0,)) -> SegmentationProtocol:
    """Whole images; a network that upsamples its scores itself (the DRN code, with several scales its ``--ms``).

    Pillow resizes the image, bicubic, and the maps of log-probabilities, bilinear and antialiased, which are summed.
    """
    return SegmentationProtocol(
        colours,
        scales=scales,
        resize=Resize(Kernel.BICUBIC, sizes=SizeRule.FLOOR),
        upsampling=Upsampling(Alignment.NETWORK, quantity=Quantity.LOG_PROBABILITIES, antialias=True),
        fusion=Fusion.SUM_OF_LOG_PROBABILITIES,
    )


def mirrored_tiles(
    colours: Colours, tile: Size, margin: int, stride: int = 8, alignment: Alignment = Alignment.SAMPLES
) -> SegmentationProtocol:
    """Tiles of ``tile`` pixels beside each other, seen with a mirrored margin (Yu & Koltun's code).

    Cells of probabilities are put side by side and interpolated, cell k being pixel ``stride * k``.
    """
    return SegmentationProtocol(
        colours,
        padding=Padding(Fill.REFLECT, margin=margin),
        tiling=Tiling(tile, seams=Seams.CELLS),
        upsampling=Upsampling(alignment, stride, Quantity.PROBABILITIES),
    )


def largest_logits(colours: Colours, side: int, scales: tuple[float, ...] = (1.0, 0.75, 0.5)) -> SegmentationProtocol:
    """Images filled up with the mean colour to ``side``, 8k + 1 (DeepLab v2's test networks).

    The network shrinks its own padded input by Caffe's Interp; the largest logit of all scales is taken on the cells
    of the full size and interpolated with aligned corners.
    """
    return SegmentationProtocol(
        colours,
        scales=scales,
        resize=Resize(antialias=False, library=Library.TORCH, sizes=SizeRule.INTERP, corners=True, padded=True),
        padding=Padding(Fill.MEAN, least=(side, side), multiple=8, remainder=1),
        upsampling=Upsampling(Alignment.CORNERS),
        fusion=Fusion.MAX_OF_LOGITS,
        fused_on=Grid.CELLS,
    )


def mean_probabilities(
    colours: Colours, scales: tuple[float, ...] = (1.0,), flip: bool = False
) -> SegmentationProtocol:
    """Whole images whose maps span them; probabilities are interpolated between cell centres and averaged (DUC)."""
    return SegmentationProtocol(
        colours,
        scales=scales,
        flip=flip,
        resize=Resize(antialias=False, library=Library.TORCH),
        upsampling=Upsampling(Alignment.CENTRES, quantity=Quantity.PROBABILITIES),
        fusion=Fusion.MEAN_OF_PROBABILITIES,
    )
