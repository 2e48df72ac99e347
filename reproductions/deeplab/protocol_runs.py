"""One network, trained on small photographs and evaluated on whole ones in several ways."""

from __future__ import annotations

import hashlib
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.claims.document import slug
from harness.engine.evaluate import feature_maps
from harness.engine.examples import Maps
from harness.engine.images import layout
from harness.engine.train import arithmetic
from harness.evaluation.released import labels
from harness.evaluation.segment import Keep
from harness.experiment import Context, Outcome, Unit
from harness.explain.views import save_views
from harness.ledger.record import measured_systems
from harness.networks.vgg import load_imagenet
from harness.segmentation.desk import NETWORK, Desk
from harness.segmentation.frozen import imagenet_normalisation
from harness.segmentation.sets import load_sets
from reproductions.deeplab.comparison import on_maps
from reproductions.deeplab.losses import training_loss
from reproductions.deeplab.models import Trained, vgg_trunk
from reproductions.deeplab.protocol_experiments import BATCH, NAMES, PROTOCOLS, Plan
from reproductions.deeplab.specs import Geometry


class Remembered(nn.Module):
    """A trunk that does not learn: what it makes of an input, rounded to half precision, is made once and kept.

    Inputs go through it one at a time, so that nothing depends on what they were shown together with.

    Args:
        trunk: Maps images [N, 3, H, W] to features [N, C, h, w].
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self._kept: dict[tuple[torch.Size, bytes], Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of images [N, 3, H, W], float32 [N, C, h, w]."""
        return torch.cat([self._features(x[place : place + 1]) for place in range(len(x))]).float()

    def _features(self, image: Tensor) -> Tensor:
        key = (image.shape, hashlib.sha256(image.contiguous().cpu().numpy().data).digest())
        if key not in self._kept:
            with torch.no_grad():
                self._kept[key] = self.trunk(image).half()
        return self._kept[key]


def measure(unit: Unit, context: Context, plan: Plan) -> Outcome:
    """Train the head of one network as the experiment "voc" does, and evaluate it by every protocol of the plan.

    Raises:
        RemeasureError: Training diverged, an image or the weights cannot be read, or a file cannot be written.
    """
    recipe = plan.recipe
    sets = load_sets(recipe.data, plan.folder)
    desk = Desk.of(unit, context, recipe, sets, imagenet_normalisation(context.device))
    with arithmetic(desk.device):
        trunk = _trunk(plan.folder / recipe.weights, recipe.geometry, context.device)
        trained = desk.place(lambda: Trained(on_maps(unit.system, recipe)))
        assert isinstance(trained, Trained)
        log = desk.train(NETWORK, trained, recipe.training_of(unit.system), _maps(desk, trunk), training_loss)
        network = nn.Sequential(trunk, trained.network.head)
        keep = None if plan.views is None else partial(_keep, plan.views, unit)
        tested = labels(unit, context, network, {}, plan.images, PROTOCOLS, batch=BATCH, keep=keep)
    return Outcome({}, tested.arrays, log)


@lru_cache(maxsize=1)
def _trunk(weights: Path, geometry: Geometry, device: str) -> Remembered:
    """VGG-16 with ImageNet's weights, for all seeds."""
    trunk, where = vgg_trunk(geometry), torch.device(device)
    load_imagenet(weights, trunk)
    return Remembered(trunk.eval().to(memory_format=layout(where)).to(where))


def _maps(desk: Desk, trunk: Remembered) -> Maps:
    """Feature maps of the training images."""
    images = desk.images.train
    chunks = images.chunks(desk.recipe.evaluation_batch)
    return Maps(feature_maps(trunk, chunks, torch.float16), torch.tensor(desk.sets.train.labels, device=desk.device))


def _keep(views: Path, unit: Unit, suffix: str) -> Keep:
    """Return where the outputs of one way of evaluation go; photographs go with them where a CRF looks at them."""
    name = measured_systems({"variants": NAMES}, unit.system)[suffix]
    folder = views / unit.experiment / slug(name) / f"seed-{unit.seed}"
    return Keep(folder, save_views, photographs=PROTOCOLS[suffix].crf is not None)
