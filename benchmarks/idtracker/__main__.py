"""SomaNet's linker and idtracker.ai (GPL-3, its own environment) on the same masks of the real movie.

make idtracker DATA=../shared/data
python -m benchmarks.idtracker --data ../shared/data --animals 24 26       # other numbers of animals
python -m benchmarks.idtracker --data ../shared/data --skip-tracking       # score what was tracked before

Writes OUTPUT/idtracker.md and idtracker.json. Existing analyses and tracks are kept; --afresh repeats them.
"""

from __future__ import annotations

import argparse
import math
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.idtracker.running import TRACKS, Run, find_program, track, why_failed
from somanet.analysis import names
from somanet.analysis.idtracker import export_for_idtracker
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import open_labels
from somanet.analysis.validation.tables import fill
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, read_json, write_json, write_text
from somanet.core.machine import available_processors
from somanet.core.markdown import table
from somanet.evaluation.tracks import match_points, track_scores
from somanet.migration.measures import measure_movie
from somanet.tracking.formats import Given, open_tracks
from somanet.tracking.movie import track_masks

MOVIE, LABELS, REFERENCE = "neuritetracker/cell_body.tif", "neuritetracker/soma_labels.tif", "neuritetracker/tracks.csv"
SCALE = Calibration(1.28, 12.0)
"""As the movie's description says; its file says nothing."""
SPEED = "average_speed_um_per_h"
RECORD = "run.json"
"""What a run took, beside its video."""
Row = dict[str, Any]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.idtracker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the real data")
    parser.add_argument("--output", type=Path, default=Path("build/idtracker"))
    parser.add_argument("--program", type=Path, help="the command idtrackerai; default: OUTPUT/venv's")
    parser.add_argument("--animals", type=int, nargs="*", help="numbers of animals; default: the most in a frame")
    parser.add_argument("--masks", nargs="+", choices=("reference", "SomaNet"), default=["reference", "SomaNet"])
    parser.add_argument("--timeout-s", type=float, default=3600.0, help="for one run of idtracker.ai")
    parser.add_argument("--skip-tracking", action="store_true", help="use earlier runs of idtracker.ai")
    parser.add_argument("--afresh", action="store_true", help="delete earlier analyses and runs first")
    parser.add_argument("--docs", type=Path, help="folder whose idtracker.md is filled")
    return parser.parse_args(arguments)


def analyse(data: Path, masks: str, folder: Path) -> None:
    """The movie's folder of results: with the reference masks, or with SomaNet's own."""
    if (folder / names.MANIFEST).exists():
        return
    given = ["--tracks", str(data / LABELS)] if masks == "reference" else []
    scale = ["--pixel-size-um", str(SCALE.pixel_size_um), "--frame-interval-min", str(SCALE.frame_interval_min)]
    command = [sys.executable, "-m", "somanet", "analyze", str(data / MOVIE), *given, *scale, "--no-report"]
    done = subprocess.run(
        [*command, "--no-overlay", "--output", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SomaNetError(done.stderr.strip().splitlines()[-1].removeprefix("error: "))


def scored(tracks: pd.DataFrame, reference: pd.DataFrame) -> Row:
    """Scores against the reference tracks, and the speed that they would give."""
    found = track_scores(match_points(reference, tracks))
    speed = measure_movie(tracks).summary.numbers[SPEED].value
    return {
        **{name: found[name] for name in ("HOTA", "IDF1", "identity_switches", "recall", "precision")},
        SPEED: speed,
    }


def linked(data: Path, folder: Path, masks: str) -> pd.DataFrame:
    """SomaNet's tracks of the masks; those of the reference are linked as if their values had no meaning."""
    if masks != "reference":
        return open_tracks(folder / names.TRACKS, Given.of(SCALE)).tracks
    with MovieSource(data / MOVIE, "movie").open() as movie, open_labels(folder) as labels:
        assert labels is not None
        return track_masks(labels, movie, SCALE).tracks


def run(arguments: argparse.Namespace) -> list[Row]:
    """All rows of the table.

    Raises:
        SomaNetError: no data, no idtracker.ai, or an analysis fails.
    """
    data, output = arguments.data, make_folder(arguments.output)
    if not (data / MOVIE).exists():
        raise SomaNetError(f"{data / MOVIE}: no such movie. Name the folder of the real data: --data FOLDER")
    program = None
    if not arguments.skip_tracking:
        program = find_program(arguments.program or output / "venv" / "bin" / "idtrackerai")
    reference = open_tracks(data / REFERENCE, Given.of(SCALE)).tracks
    rows: list[Row] = [{"masks": "–", "linker": "reference", **_of_reference(reference)}]
    for masks in arguments.masks:
        folder, videos = output / "results" / masks, output / "videos" / masks
        if arguments.afresh:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(videos, ignore_errors=True)
        print(f"analysing with the masks: {masks}", flush=True)
        analyse(data, masks, folder)
        rows.append({"masks": masks, "linker": "SomaNet", **scored(linked(data, folder, masks), reference)})
        most = _most(folder)
        tracked = numbers_tracked(videos) if arguments.skip_tracking else []
        for n_animals in (*(arguments.animals or tracked or [most]), None):
            name = "no identities" if n_animals is None else f"N = {n_animals}"
            rows.append(
                {"masks": masks, "linker": f"idtracker.ai, {name}", "most": most}
                | _theirs(
                    arguments,
                    program,
                    data,
                    folder,
                    videos / name.replace(" ", "_"),
                    n_animals or most,
                    n_animals is not None,
                    reference,
                )
            )
            print(rows[-1], flush=True)
    return rows


def numbers_tracked(videos: Path) -> list[int]:
    """The numbers of animals of earlier runs, in order."""
    return sorted(int(path.parent.name.removeprefix("N_=_")) for path in videos.glob(f"N_=_*/{RECORD}"))


def _of_reference(reference: pd.DataFrame) -> Row:
    return {SPEED: measure_movie(reference).summary.numbers[SPEED].value}


def _most(folder: Path) -> int:
    with open_labels(folder) as labels:
        assert labels is not None
        return max(len(set(frame[frame > 0].tolist())) for frame in labels)


def _theirs(
    arguments: argparse.Namespace,
    program: Path | None,
    data: Path,
    folder: Path,
    place: Path,
    n_animals: int,
    identities: bool,
    reference: pd.DataFrame,
) -> Row:
    if program is None:
        if not (place / RECORD).exists():
            return {"reason": "not run"}
        about = read_json(place / RECORD, expected="how a run of idtracker.ai ended")
        tracks, reason = (place / TRACKS, "") if (place / TRACKS).exists() else (None, why_failed(place))
        ended = Run(tracks, reason, about["wall_s"], about["processor_s"])
    else:
        shutil.rmtree(place, ignore_errors=True)
        export_for_idtracker(folder, place, movie=MovieSource(data / MOVIE, "movie"))
        ended = track(program, place, n_animals=n_animals, identities=identities, timeout_s=arguments.timeout_s)
        write_json(place / RECORD, {"wall_s": ended.wall_s, "processor_s": ended.processor_s})
    cost = {"wall_s": ended.wall_s, "processor_s": ended.processor_s}
    if ended.tracks is None:
        return {"reason": ended.reason, **cost}
    return {**scored(open_tracks(ended.tracks, Given.of(SCALE)).tracks, reference), **cost}


def as_table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""

    def number(row: Row, name: str, form: str) -> str:
        value = row.get(name, math.nan)
        return f"{value:{form}}" if isinstance(value, int | float) and math.isfinite(value) else "–"

    head = ("masks", "linker", "HOTA", "IDF1", "switches", "recall", "speed (µm/h)", "processor s", "")
    body = [
        (
            row["masks"],
            row["linker"],
            number(row, "HOTA", ".3f"),
            number(row, "IDF1", ".3f"),
            number(row, "identity_switches", ".0f"),
            number(row, "recall", ".3f"),
            number(row, SPEED, ".1f"),
            number(row, "processor_s", ".0f"),
            row.get("reason", ""),
        )
        for row in rows
    ]
    return table(head, body)


def main() -> None:
    """Run, or print an error in one line."""
    arguments = parse(None)
    try:
        rows = run(arguments)
        machine = {"processors": available_processors(), "kind": platform.machine()}
        write_json(arguments.output / "idtracker.json", {"machine": machine, "rows": rows})
        text = as_table(rows)
        write_text(arguments.output / "idtracker.md", f"{text}\n")
        if arguments.docs is not None:
            page = arguments.docs / "idtracker.md"
            write_text(page, fill(page.read_text(encoding="utf-8"), {"table": text}))
    except SomaNetError as error:
        sys.exit(f"error: {error}")
    print(f"Written: {arguments.output}/idtracker.md, idtracker.json")


if __name__ == "__main__":
    main()
