"""DeepCell's `.trk` and label TIFFs: what other programs' readers find in them, and what ours refuses."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.tracking.formats import Given, open_tracks, recognise, write_tracks

SCALE = Calibration(1.5, 10.0)
T, Y, X = 5, 23, 31
GIVEN = Given.of(SCALE)


def masks() -> np.ndarray:
    """Cell 3 moves right and divides after frame 2 into 4 and 9; cell 7 rests, unseen in frame 1."""
    found = np.zeros((T, Y, X), np.int32)
    for t in range(3):
        found[t, 4:7, 2 + 3 * t : 5 + 3 * t] = 3
    for t in range(3, T):
        found[t, 2:4, 10:13] = 4
        found[t, 8:11, 10:12] = 9
    for t in (0, 2, 3, 4):
        found[t, 15:20, 20:25] = 7
    return found


def lineage() -> dict[str, dict[str, Any]]:
    def entry(label: int, frames: list[int], **more: object) -> dict[str, Any]:
        usual = {"label": label, "frames": frames, "daughters": [], "parent": None, "frame_div": None, "capped": False}
        return usual | more

    return {
        "3": entry(3, [0, 1, 2], daughters=[4, 9], frame_div=3, capped=True),
        "4": entry(4, [3, 4], parent=3),
        "9": entry(9, [3, 4], parent=3),
        "7": entry(7, [0, 2, 3, 4]),
    }


def images() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 4000, (T, Y, X, 2)).astype(np.uint16)


def npy(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def archive(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    """As deepcell-tracking writes it: a tar with a header of times before each file."""
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1_700_000_000.25
            tar.addfile(info, io.BytesIO(content))
    return path


def members(**changes: bytes | None) -> dict[str, bytes]:
    usual = {
        "lineage.json": json.dumps(lineage(), indent=4).encode(),
        "raw.npy": npy(images()),
        "tracked.npy": npy(masks()[..., None]),
    }
    changed = {name.replace("_", "."): content for name, content in changes.items()}
    return {name: content for name, content in (usual | changed).items() if content is not None}


@pytest.mark.parametrize("mode", ["w:gz", "w"])
@pytest.mark.parametrize(
    "stored",
    [
        masks()[..., None],
        masks(),
        masks()[None, ..., None],
        masks()[..., None].astype(np.float32),
        masks()[..., None].astype(">u2"),
        np.asfortranarray(masks()[..., None]),
    ],
    ids=["TYX1", "TYX", "BTYX1", "float", "big-endian", "fortran"],
)
def test_masks_become_tracks(tmp_path: Path, mode: str, stored: np.ndarray) -> None:
    """Cell 3 in frame 1: columns 5 to 7, rows 4 to 6, so its centre is at 5, 6 px, 7.5 and 9 µm, after 10 min."""
    raw = images()[None] if stored.ndim == 5 else images()
    path = archive(tmp_path / "a.trk", members(tracked_npy=npy(stored), raw_npy=npy(raw)), mode)
    found = open_tracks(path, GIVEN)
    assert found.kind == "deepcell"
    assert (found.image.n_frames, found.image.shape_YX) == (T, (Y, X))
    tracks = found.tracks
    assert sorted(zip(tracks["track_id"], tracks["frame"], strict=True)) == sorted(
        (int(one["label"]), t) for one in lineage().values() for t in one["frames"]
    )
    row = tracks[(tracks["track_id"] == 3) & (tracks["frame"] == 1)].iloc[0]
    assert (row["y_px"], row["x_px"], row["y_um"], row["x_um"]) == (5, 6, 7.5, 9)
    assert row["t_h"] == pytest.approx(1 / 6)
    parents = tracks.drop_duplicates("track_id").set_index("track_id")["parent_id"]
    assert (parents[4], parents[9]) == (3, 3)
    assert parents[[3, 7]].isna().all()


def test_what_is_written_is_what_a_plain_reader_finds(tmp_path: Path) -> None:
    """By Python's tarfile and NumPy, as DeepCell reads it; twice the same bytes."""
    tracks = open_tracks(archive(tmp_path / "a.trk", members()), GIVEN).tracks
    frames = images()[..., 0]
    for name in ("b.trk", "c.trk"):
        write_tracks(tmp_path / name, tracks, SCALE, kind="deepcell", labels=masks(), frames=frames)
    assert (tmp_path / "b.trk").read_bytes() == (tmp_path / "c.trk").read_bytes()
    with tarfile.open(tmp_path / "b.trk", "r") as tar:
        found = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    assert sorted(found) == ["lineage.json", "raw.npy", "tracked.npy"]
    assert np.array_equal(np.load(io.BytesIO(found["raw.npy"]), allow_pickle=False), frames[..., None])
    assert np.array_equal(np.load(io.BytesIO(found["tracked.npy"]), allow_pickle=False), masks()[..., None])
    assert json.loads(found["lineage.json"]) == lineage()
    pd.testing.assert_frame_equal(open_tracks(tmp_path / "b.trk", GIVEN).tracks, tracks)


def pickled() -> bytes:
    return npy(np.array([[{"a": 1}]], dtype=object), allow_pickle=True)


def edited(**changes: Any) -> bytes:
    """The lineage with changed entries of tracks; None removes one."""
    found = lineage()
    for key, change in changes.items():
        found[key[1:]] = found[key[1:]] | change if change is not None else None  # type: ignore[assignment]
    return json.dumps({key: entry for key, entry in found.items() if entry is not None}).encode()


REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    "out of it": (members() | {"../../evil": b"x"}, "outside of it"),
    "absolute": (members() | {"/etc/evil": b"x"}, "outside of it"),
    "windows": (members() | {"..\\evil": b"x"}, "outside of it"),
    "objects": (members(tracked_npy=pickled()), "pickles"),
    "pickle": (members(tracked_npy=pickle.dumps([1])), "pickled"),
    "objects in images": (members(raw_npy=pickled()), "pickles"),
    "texts": (members(tracked_npy=npy(np.array([[["a"]]]))), "array of numbers"),
    "several": (members(tracked_npy=npy(np.stack([masks()] * 3)[..., None])), "3 movies"),
    "several lineages": (
        {**members(lineage_json=None), "lineages.json": json.dumps([lineage()] * 2).encode()},
        "those of 2",
    ),
    "axes": (members(tracked_npy=npy(np.moveaxis(masks()[..., None], 3, 1))), "TYX1"),
    "image": (members(tracked_npy=npy(masks()[0])), "TYX1"),
    "other images": (members(raw_npy=npy(images()[:3])), "same frames"),
    "fractions": (members(tracked_npy=npy(masks()[..., None] + 0.25)), "fractions"),
    "negative": (members(tracked_npy=npy(masks()[..., None] - 1)), "ids of 0 to"),
    "no masks": (members(tracked_npy=None), r"none of \['tracked.npy'\]"),
    "no lineage": (members(lineage_json=None), r"none of \['lineage.json'\]"),
    "no JSON": (members(lineage_json=b"{"), "lineage.json"),
    "deep JSON": (members(lineage_json=b"[" * 5000 + b"]" * 5000), "lineage.json"),
    "a list": (members(lineage_json=b"[[1]]"), "object of tracks"),
    "words": (members(lineage_json=edited(_3={"frames": ["0"]})), "whole numbers"),
    "null for frames": (members(lineage_json=edited(_3={"frames": None})), "whole numbers"),
    "a number for daughters": (members(lineage_json=edited(_3={"daughters": 5})), "whole numbers"),
    "another number": (members(lineage_json=edited(_3={"label": 4})), "whole numbers"),
    "infinite": (members(lineage_json=b'{"3": {"label": 3, "frames": [Infinity]}}'), "lineage.json"),
    "a frame too many": (
        members(lineage_json=edited(_7={"frames": [0, 1, 2, 3, 4]})),
        "track 7 of frame 1 is in the l",
    ),
    "a track too few": (members(lineage_json=edited(_7=None)), "track 7 of frame 0 is in the masks"),
    "mother later": (members(lineage_json=edited(_3={"parent": 4, "daughters": []})), "does not end before"),
    "mother unknown": (members(lineage_json=edited(_7={"parent": 12})), "parent 12, which does not end before"),
    "mother beside": (
        members(lineage_json=edited(_4={"parent": 7, "daughters": []}, _7={"daughters": [4]})),
        "parent 7, which does not end before",
    ),
    "mother disagrees": (members(lineage_json=edited(_3={"daughters": [4]})), "of whose daughters it is none"),
    "daughter disagrees": (members(lineage_json=edited(_9={"parent": None})), "daughter 9, whose parent it is not"),
    "cut": (members(tracked_npy=npy(masks()[..., None])[:-100]), "cut or damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, case: str) -> None:
    content, words = REFUSED[case]
    path = archive(tmp_path / "inner" / "a.trk" if (tmp_path / "inner").mkdir() else tmp_path / "inner/a.trk", content)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SomaNetError, match=words) as error:
        open_tracks(path, GIVEN)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_bit_is_found_wherever_it_is(tmp_path: Path, seed: int) -> None:
    """The masks are the same, or the archive is refused: gzip's sums are at its end, behind what is read."""
    path = archive(tmp_path / "a.trk", members())
    expected = open_tracks(path, GIVEN).tracks
    packed = bytearray(path.read_bytes())
    for place in (*np.random.default_rng(seed).integers(12, len(packed), 15), len(packed) - 5):
        damaged = bytearray(packed)
        damaged[place] ^= 1 << (seed % 8)
        path.write_bytes(damaged)
        with contextlib.suppress(SomaNetError):
            pd.testing.assert_frame_equal(open_tracks(path, GIVEN).tracks, expected)
    path.write_bytes(packed[:-8] + bytes(8))
    with pytest.raises(SomaNetError, match="CRC"):
        open_tracks(path, GIVEN)


def test_one_daughter_may_be_alone(tmp_path: Path) -> None:
    """Where the other was never seen: its mother is kept."""
    masks_TYX = np.where(masks() == 9, 0, masks())
    changed = members(tracked_npy=npy(masks_TYX[..., None]), lineage_json=edited(_9=None, _3={"daughters": [4]}))
    tracks = open_tracks(archive(tmp_path / "a.trk", changed), GIVEN).tracks
    assert tracks[tracks["track_id"] == 4]["parent_id"].tolist() == [3, 3]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = archive(tmp_path / "a.trk", {})
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("tracked.npy")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(SomaNetError, match="a link or a device"):
        open_tracks(path, GIVEN)


def test_a_name_in_a_long_header_counts(tmp_path: Path) -> None:
    """Names too long for a header stand in one of their own: with `..` in it, it is refused as well."""
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(tmp_path / "a.trk", "w:gz", format=form) as tar:
            info = tarfile.TarInfo("x" * 150 + "/../../../evil")
            tar.addfile(info)
        with pytest.raises(SomaNetError, match="outside of it"):
            open_tracks(tmp_path / "a.trk", GIVEN)


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.trk", "w:gz") as tar:
        for _ in range(2):
            content = npy(masks()[..., None])
            info = tarfile.TarInfo("tracked.npy")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with pytest.raises(SomaNetError, match="two members"):
        open_tracks(tmp_path / "a.trk", GIVEN)


def header_of(shape: tuple[int, ...], dtype: str = "<i4") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def bomb(path: Path, size: int, *, kind: bytes = tarfile.REGTYPE, start: bytes = b"") -> Path:
    """An archive that declares a member of some size, of zeros that take a thousandth of it."""
    info = tarfile.TarInfo("tracked.npy")
    info.size, info.type = size, kind
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        file.write(packer.compress(info.tobuf(tarfile.GNU_FORMAT) + start))
        for _ in range(min(size, 1 << 28) >> 20):
            file.write(packer.compress(bytes(1 << 20)))
        file.write(packer.flush())
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: archive(path, members(tracked_npy=header_of((4, 70_000, 70_000, 1)))), "cut or damaged"),
        (lambda path: archive(path, members(tracked_npy=header_of((10**12, 30, 30, 1)))), "cut or damaged"),
        (lambda path: archive(path, members(tracked_npy=header_of((-5, 30, 30, 1)))), "header|cut"),
        (lambda path: bomb(path, 1 << 40, kind=tarfile.XHDTYPE), "header of"),
        (lambda path: bomb(path, 1 << 40, kind=tarfile.GNUTYPE_LONGNAME), "header of"),
        (
            lambda path: bomb(
                path, len(header_of((1 << 18, 1024, 1024, 1))) + (1 << 40), start=header_of((1 << 18, 1024, 1024, 1))
            ),
            "SOMANET_MAX_",
        ),
    ],
    ids=["pixels", "frames", "negative", "pax header", "long name", "zeros"],
)
def test_a_size_is_checked_before_memory_is_taken(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    path = make(tmp_path / "a.trk")
    tracemalloc.start()
    with pytest.raises(SomaNetError, match=words):
        open_tracks(path, GIVEN)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_other_archives_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.trk").write_bytes(zlib.compress(b"hello", wbits=31))
    with pytest.raises(SomaNetError, match="DeepCell"):
        open_tracks(tmp_path / "a.trk", GIVEN)
    with pytest.raises(SomaNetError, match="scale"):
        open_tracks(archive(tmp_path / "b.trk", members()), Given())
    with pytest.raises(SomaNetError, match="5 frames, the movie of 6"):
        open_tracks(tmp_path / "b.trk", Given(GIVEN.scale, n_frames=6))


@pytest.mark.parametrize(
    ("labels", "frames", "words"),
    [
        (masks()[:4], images()[..., 0], "frame"),
        (masks(), images()[:4, ..., 0], "frame"),
        (masks()[:, :20], images()[..., 0], "20 × 31"),
        (np.where(masks() == 7, 8, masks()), images()[..., 0], "label"),
        (masks(), None, "--movie"),
        (None, images()[..., 0], "--labels"),
    ],
)
def test_what_does_not_belong_together_is_not_written(tmp_path: Path, labels: Any, frames: Any, words: str) -> None:
    tracks = open_tracks(archive(tmp_path / "a.trk", members()), GIVEN).tracks
    (tmp_path / "out").mkdir()
    with pytest.raises(SomaNetError, match=words):
        write_tracks(tmp_path / "out/b.trk", tracks, SCALE, kind="deepcell", labels=labels, frames=frames)
    assert list((tmp_path / "out").iterdir()) == []


# Label TIFFs


def test_a_label_tiff_is_read_as_tracks(tmp_path: Path) -> None:
    """Of another program, without a scale: cell 7 in frame 4 is at 17, 22 px."""
    tifffile.imwrite(tmp_path / "a.tif", masks().astype(np.uint16), metadata={"axes": "TYX"})
    assert recognise(tmp_path / "a.tif").kind == "labels"
    found = open_tracks(tmp_path / "a.tif", GIVEN)
    rows = found.tracks.set_index(["track_id", "frame"])
    assert tuple(rows.loc[(7, 4), ["y_px", "x_px"]]) == (17, 22)
    assert len(rows) == 11
    assert found.notes == ()
    with pytest.raises(SomaNetError, match="scale"):
        open_tracks(tmp_path / "a.tif", Given())


def test_a_label_tiff_is_written_and_read_again(tmp_path: Path) -> None:
    tracks = open_tracks(archive(tmp_path / "a.trk", members()), GIVEN).tracks
    write_tracks(tmp_path / "b.tif", tracks, SCALE, kind="labels", labels=masks(), shape_YX=(Y, X), n_frames=T)
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), masks())
    again = open_tracks(tmp_path / "b.tif", Given(FileCalibration()))
    assert (again.scale.pixel_size_um, again.scale.frame_interval_min) == pytest.approx((1.5, 10.0))
    pd.testing.assert_frame_equal(again.tracks, tracks.drop(columns="parent_id"))


def test_masks_that_nobody_tracked_are_refused_or_doubted(tmp_path: Path) -> None:
    """Masks of 0 and 255 have their value in several pieces; labels of each frame begin at 1 anew."""
    tifffile.imwrite(tmp_path / "mask.tif", np.uint8(255) * (masks() > 0), metadata={"axes": "TYX"})
    with pytest.raises(SomaNetError, match="pieces"):
        open_tracks(tmp_path / "mask.tif", GIVEN)
    anew = np.stack([np.unique(frame, return_inverse=True)[1].reshape(Y, X) for frame in masks()]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "anew.tif", anew, metadata={"axes": "TYX"})
    (note,) = open_tracks(tmp_path / "anew.tif", GIVEN).notes
    assert "before tracking" in note
