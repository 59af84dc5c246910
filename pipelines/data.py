"""Stage `data`: the raw archives, simulated or taken from a folder; DVC versions the outputs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from somanet.config import DataFolders, SimulatedCohort, SimulatedData, load_params
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, make_folder, write_json
from somanet.core.schema import SALTATIONS, TRACKS
from somanet.io.datasets.writers import write_kaggle, zip_folder
from somanet.io.label_movies import write_label_movie
from somanet.io.movies import movie_files, movie_name, write_movie
from somanet.io.tables import write_table
from somanet.simulation import (
    CohortMovie,
    NeuronSettings,
    cohort_movies,
    group_settings,
    neuron_crops,
    simulate_movie,
    simulate_nuclei,
)
from somanet.training.experiments import stage

RAW = Path("data/raw")
CALIBRATION = Calibration(pixel_size_um=1.28, frame_interval_min=12.0)  # as in the reference movie
TRAIN_MOVIES, VAL_MOVIES = 4, 2


def simulate(settings: SimulatedData, seed: int) -> None:
    """Nuclei, neuron crops from separate movies for training and validation, and whole movies."""
    nuclei = simulate_nuclei(
        n_images=settings.nuclei_images, shape_YX=(settings.nuclei_px, settings.nuclei_px), seed=seed
    )
    write_kaggle(RAW / "source.zip", nuclei)
    for name, n_crops, first, n_movies in (
        ("target_train", settings.train_crops, 0, TRAIN_MOVIES),
        ("target_val", settings.val_crops, TRAIN_MOVIES, VAL_MOVIES),
    ):
        crops = neuron_crops(n_crops=n_crops, size_px=settings.crop_px, seed=seed, first_movie=first, n_movies=n_movies)
        write_kaggle(RAW / f"{name}.zip", crops)
    names = [_movie("simulated", seed, settings.movie_frames, settings.movie_px)]
    conditions = [{"movie": "simulated"}]
    if settings.cohort is not None:
        conditions = []
        for one in _cohort(settings.cohort, seed):
            names.append(_movie(one.name, one.seed, settings.cohort.frames, settings.cohort.px, one.settings))
            conditions.append({"movie": one.name, "donor": one.donor, "group": one.group})
    write_json(RAW / "movies.json", {name: {"file": f"{name}.ome.tif"} for name in names})
    write_table(RAW / "conditions.csv", pd.DataFrame(conditions))


def _cohort(cohort: SimulatedCohort, seed: int) -> Iterator[CohortMovie]:
    return cohort_movies(
        {name: group_settings(effects) for name, effects in cohort.groups.items()},
        donors=cohort.donors,
        movies_per_donor=cohort.movies_per_donor,
        donor_spread=cohort.donor_spread,
        seed=seed,
    )


def _movie(name: str, seed: int, n_frames: int, side_px: int, settings: NeuronSettings | None = None) -> str:
    """Write a movie and its ground truth; returns its name."""
    movie = simulate_movie(
        seed=seed, n_frames=n_frames, shape_YX=(side_px, side_px), calibration=CALIBRATION, settings=settings
    )
    write_movie(make_folder(RAW / "movies") / f"{name}.ome.tif", movie.frames_TYX, movie.calibration)
    ground_truth = make_folder(RAW / "references" / name)
    write_table(ground_truth / "tracks.csv", movie.tracks, TRACKS)
    write_table(ground_truth / "saltations.csv", movie.saltations, SALTATIONS)
    write_label_movie(
        ground_truth / "labels.tif",
        movie.labels_TYX,
        n_frames=n_frames,
        shape_YX=(side_px, side_px),
        largest_id=int(movie.labels_TYX.max()),
        calibration=CALIBRATION,
    )
    return name


def collect(folders: DataFolders, root: Path) -> None:
    """Copy archives, movies and references as they are; a folder of many small files becomes one archive."""
    for name, source in (
        ("source", folders.source),
        ("target_train", folders.target_train),
        ("target_val", folders.target_val),
    ):
        path = _existing(root / source)
        with atomic_path(RAW / f"{name}.zip") as temporary:
            if path.is_dir():
                zip_folder(path, temporary)
            else:
                shutil.copyfile(path, temporary)
    if folders.source_split is not None:
        _copy(root / folders.source_split, RAW / "source_split.csv")
    about = {}
    for movie in folders.movies:
        name = _raw_name(movie.file)
        if len(files := movie_files(root / movie.file)) > 1:
            raise SomaNetError(
                f"{root / movie.file}: expected a movie in one file or folder, found one in {len(files)} files, whose "
                "names must not change. Save the movie as one file (Fiji: File > Save As > Tiff)."
            )
        _copy(root / movie.file, RAW / "movies" / name)
        about[movie_name(Path(name))] = {
            "file": name,
            **movie.model_dump(include={"channel", "pixel_size_um", "frame_interval_min"}, exclude_none=True),
        }
        if movie.times is not None:
            about[movie_name(Path(name))]["times"] = table = f"{movie_name(Path(name))}.csv"
            _copy(root / movie.times, RAW / "times" / table)
        for reference, target in ((movie.reference_tracks, "tracks"), (movie.reference_labels, "labels")):
            if reference is not None:
                folder = RAW / "references" / movie_name(Path(name))
                _copy(root / reference, folder / f"{target}{Path(reference).suffix}")
    write_json(RAW / "movies.json", about)
    write_table(RAW / "conditions.csv", pd.DataFrame(_conditions(folders)))


def _conditions(folders: DataFolders) -> list[dict[str, str]]:
    """Whose cells the movies show, as far as it is named for all of them."""
    rows = [{"movie": movie_name(Path(_raw_name(movie.file)))} for movie in folders.movies]
    for level in ("donor", "group", "batch"):
        named = [getattr(movie, level) for movie in folders.movies]
        if any(named) and not all(named):
            raise SomaNetError(
                f"data.folders.movies names the {level} of {sum(map(bool, named))} of {len(named)} movies. Name it for "
                "all of them or for none."
            )
        for row, value in zip(rows, named, strict=True):
            row |= {level: value} if value else {}
    return rows


def _raw_name(file: str) -> str:
    """The name of a movie's copy: that of its folder too, as many files are called `movie.tif`."""
    return "_".join(filter(None, (Path(file).parent.name, Path(file).name)))


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        if source.is_dir():
            shutil.copytree(source, temporary)
        else:
            shutil.copyfile(_existing(source), temporary)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise SomaNetError(f"{path}, named in data.folders, not found. Is data.input the right folder?")
    return path


def main() -> None:
    params = load_params()
    if params.data.simulated is not None and params.data.kind == "simulated":
        simulate(params.data.simulated, params.seed)
    elif params.data.folders is not None:
        collect(params.data.folders, Path(params.data.input))


if __name__ == "__main__":
    stage(main)
