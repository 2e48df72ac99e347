"""Where the comparisons that train every layer on photographs differ from the paper, each with its reason."""

from __future__ import annotations

from harness.engine.recipe import Training
from harness.ledger.record import Deviation
from harness.segmentation.recipe import PhotoData
from reproductions.dilation.deviations import DATE, crf_rnn, dense_crf, noise_of_equation_5
from reproductions.dilation.gpu_recipes import StagedRecipe
from reproductions.dilation.specs import MARGIN, find_context


def staged_deviations(recipe: StagedRecipe, full_epochs: int) -> tuple[Deviation, ...]:
    """Return what a comparison does otherwise; ``full_epochs`` of the front end are without a time budget."""
    assert isinstance(recipe.data, PhotoData)
    streets = recipe.data.dataset == "camvid"
    found = (
        _camvid_data(recipe.data) if streets else _voc_data(recipe.data),
        _start(recipe),
        _network(recipe),
        *(_camvid_schedule(recipe) if streets else _voc_schedule(recipe)),
        _mirroring(),
        _precision(),
        _upsampling(),
        *(() if streets else (_margin(recipe.data), noise_of_equation_5(recipe.noise))),
        dense_crf(recipe, "the front end and each module that is trained on its maps"),
        crf_rnn(recipe.rnn),
        *((_structured(),) if streets else ()),
    )
    if recipe.training.epochs == full_epochs:
        return found
    cut = Deviation(
        date=DATE,
        topic="time budget",
        paper="20,000 iterations of the front end" if streets else "60,000 iterations, 190,000 with Microsoft COCO",
        where="Appendix A.1" if streets else "Sections 4 and 5",
        ours=f"{recipe.training.epochs} of the {full_epochs} epochs of this experiment's front end",
        why="the budget that was given",
    )
    return (*found, cut)


def _camvid_data(data: PhotoData) -> Deviation:
    images = "all" if data.limit is None else f"at most {data.limit}"
    return Deviation(
        date=DATE,
        topic="data",
        paper="CamVid at 640x480 in the split of Sturgess et al.: 367 images for training, 100 for validation, 233 for "
        "testing; trained on the first alone",
        where="Appendix A and A.1",
        ours=f"SegNet's release at {data.width}x{data.height}, 367, 101 and 233 images, {images} of those for training "
        f"and testing; trained on the first alone; {data.tuning} of the 101 set the CRF's parameters",
        why="the release that is at hand in full",
        effect="less detail in thin classes; IoUs cannot be compared with the printed ones; only the order of systems "
        "can",
    )


def _voc_data(data: PhotoData) -> Deviation:
    return Deviation(
        date=DATE,
        topic="data",
        paper="VOC 2012 with the annotations of Hariharan et al. and, for Table 3, Microsoft COCO; all 1,449 images "
        "for validation; about 500x375 pixels, maps of 64x64 cells",
        where="Sections 4 and 5",
        ours=f"at most {data.limit:,} training and {data.limit:,} validation images of the folder that is given, "
        f"scaled to fit {data.width}x{data.height} pixels, maps of {data.width // 8}x{data.height // 8} cells; "
        f"{data.tuning} more of those for training set the CRF's parameters",
        why="minutes instead of days",
        effect="IoUs cannot be compared with the printed ones; only the order of systems can. The front end sees 380 "
        f"pixels, more than a whole image of {data.width}, where the paper's sees part of one: less is left for a "
        "context module",
    )


def _start(recipe: StagedRecipe) -> Deviation:
    if recipe.pretrained:
        ours = (
            "torchvision's ImageNet weights of the thirteen convolutions, with its normalisation of colours; fc6 and "
            "fc7 at random (He et al.) at the common learning rate"
        )
    else:
        ours = "all layers at random (He et al.), for the network is narrower than VGG-16"
    return Deviation(
        date=DATE,
        topic="initialisation",
        paper="the weights of the classification network VGG-16, fc6 and fc7 among them; colours less their mean",
        where="Section 4",
        ours=ours,
        why="the file of weights at hand holds the convolutions alone",
        effect="unmeasured; fc6 and fc7 have more to learn in fewer steps. Normalised colours are about 57 times "
        "smaller than those of the authors' code, in which the first layer learns faster",
    )


def _network(recipe: StagedRecipe) -> Deviation:
    assert isinstance(recipe.data, PhotoData)
    cells = max(recipe.data.height, recipe.data.width) // 8
    cut = {name: find_context(name).within(cells) for name in recipe.modules}
    whole = recipe.pretrained and all(spec == find_context(name) for name, spec in cut.items())
    layers = "; ".join(f"{name}: dilations {', '.join(map(str, spec.dilations))}" for name, spec in cut.items())
    return Deviation(
        date=DATE,
        topic="size of the networks",
        paper="VGG-16, 4,096 channels in fc6 and fc7; context modules of eight layers",
        where="Sections 3 and 4",
        ours=f"the same; {layers}" if whole else f"{recipe.width:g} of the channels; {layers}",
        why="what the paper describes fits the time" if whole else "a test of the path",
        effect="none" if whole else "means nothing",
    )


def _camvid_schedule(recipe: StagedRecipe) -> tuple[Deviation, ...]:
    front, joint = recipe.training, recipe.joint
    return (
        Deviation(
            date=DATE,
            topic="training of the front end",
            paper="8 crops of 628x628, learning rate 0.0001, momentum 0.99, 20,000 iterations; no weight decay stated",
            where="Appendix A and A.1",
            ours=f"{_settings(front)}, in pieces of {_piece(front)} with their margins",
            why="minutes instead of days",
            effect="unmeasured; see the training loss in the records' logs",
        ),
        Deviation(
            date=DATE,
            topic="training of the context module",
            paper="none of its own: it is trained jointly with the trained front end from its initialisation on",
            where="Appendix A.1",
            ours=f"on the front end's maps first, {_settings(recipe.context)}; this is 'Front + Basic'",
            why="in few steps at 0.00001 a module that starts as the identity would remain one",
            effect="unmeasured",
        ),
        Deviation(
            date=DATE,
            topic="joint training",
            paper="crops of 852x852, batch of 1, learning rate 0.00001, momentum 0.9; iterations are not stated",
            where="Appendix A.1",
            ours=f"{_settings(joint)}, whole images with their margins; this is 'Dilation8'",
            why="with their margins these images have fewer than 852 rows; the engine takes two images a step or more",
            effect="unmeasured",
        ),
    )


def _voc_schedule(recipe: StagedRecipe) -> tuple[Deviation, ...]:
    front, joint = recipe.training, recipe.joint
    return (
        Deviation(
            date=DATE,
            topic="training of the front end",
            paper="mini-batch 14, learning rate 0.001, momentum 0.9, 60,000 iterations; no weight decay or crop "
            "stated. With Microsoft COCO 100,000 at 0.001 and 40,000 at 0.0001, then 50,000 on VOC 2012 at 0.00001",
            where="Sections 4 and 5",
            ours=f"{_settings(front)}, in pieces of {_piece(front)} with their margins; the authors' code has weight "
            "decay 0.0005 and pieces of 500x500, its documentation learning rate 0.0001",
            why="the paper's rate, the code's other settings, minutes instead of days",
            effect="unmeasured; see the training loss in the records' logs",
        ),
        Deviation(
            date=DATE,
            topic="training of the context modules",
            paper="learning rate 0.001 on the front end's maps; mini-batch, momentum and iterations are not stated",
            where="Section 5",
            ours=f"{_settings(recipe.context)}; the documentation of the authors' code has 60 images and momentum 0.9",
            why="few steps",
            effect="unmeasured",
        ),
        Deviation(
            date=DATE,
            topic="joint training",
            paper="said not to have improved the result significantly; no settings",
            where="Section 5",
            ours=f"of the front end with Basic as both are trained by then: {_settings(joint)}, in pieces of "
            f"{_piece(joint)}, as in the documentation of the authors' code",
            why="the statement can be tested",
            effect="unmeasured",
        ),
    )


def _settings(training: Training) -> str:
    return (
        f"{training.epochs} epochs of steps of {training.batch} images, constant learning "
        f"rate {training.learning_rate:g}, momentum {training.momentum:g}, weight decay "
        f"{training.weight_decay:g}; biases at twice the rate and without decay"
    )


def _piece(training: Training) -> str:
    crop = training.augmentation.crop
    return "whole images" if crop is None else f"{crop[0]}x{crop[1]}"


def _mirroring() -> Deviation:
    return Deviation(
        date=DATE,
        topic="augmentation",
        paper="random crops; mirroring is not mentioned",
        where="Appendix A",
        ours="half of the pieces are mirrored; the maps that context modules and CRF-RNNs learn from are not varied",
        why="so does the authors' code",
    )


def _precision() -> Deviation:
    return Deviation(
        date=DATE,
        topic="precision",
        paper="Caffe, which computes in single precision",
        where="Section 5",
        ours="convolutions of training in bfloat16, their weights and steps in single precision; testing and CRF-RNNs "
        "in single precision",
        why="time",
    )


def _upsampling() -> Deviation:
    return Deviation(
        date=DATE,
        topic="upsampling",
        paper="how maps are brought to the resolution of the image is not stated",
        where="Section 4",
        ours="bilinear on class probabilities, cell k on pixel 8 k, as in the authors' code; the pixels after the last "
        "cell take its value, where that code has further cells. The loss is at the cells, each with the label of that "
        "pixel",
        why="the authors' code is the only source",
        effect="of the last cell, in at most 7 rows and columns",
    )


def _margin(data: PhotoData) -> Deviation:
    return Deviation(
        date=DATE,
        topic="margin of the image",
        paper=f"{MARGIN} mirrored pixels of images of about 500x375",
        where="Section 4",
        ours=f"the same of images that fit {data.width}x{data.height}; one with a side below {MARGIN + 1} pixels is "
        "mirrored again in its mirror image",
        why="images are small here",
        effect="unmeasured",
    )


def _structured() -> Deviation:
    return Deviation(
        date=DATE,
        topic="structured prediction on CamVid",
        paper="none: no conditional random fields on street scenes",
        where="Appendix A",
        ours="measured behind the front end and 'Front + Basic', as rows of their own",
        why="Table 3 makes that comparison on VOC 2012; here it is repeated",
        effect="none on Dilation8",
    )
