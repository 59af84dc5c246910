"""Stage `data`: the raw archives, simulated or taken from a folder; DVC versions the outputs."""

import shutil
from pathlib import Path

from somanet.analysis.source import movie_name
from somanet.config import DataFolders, SimulatedData, load_params
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, make_folder, write_json
from somanet.core.schema import SALTATIONS, TRACKS
from somanet.io.datasets.writers import write_kaggle, zip_folder
from somanet.io.label_movies import write_label_movie
from somanet.io.movies import write_movie
from somanet.io.tables import write_table
from somanet.simulation import neuron_crops, simulate_movie, simulate_nuclei
from somanet.training.experiments import stage

RAW = Path("data/raw")
CALIBRATION = Calibration(pixel_size_um=1.28, frame_interval_min=12.0)  # as in the reference movie
TRAIN_MOVIES, VAL_MOVIES = 4, 2


def simulate(settings: SimulatedData, seed: int) -> None:
    """Nuclei, neuron crops from separate movies for training and validation, and one whole movie."""
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
    movie = simulate_movie(
        seed=seed,
        n_frames=settings.movie_frames,
        shape_YX=(settings.movie_px, settings.movie_px),
        calibration=CALIBRATION,
    )
    write_movie(make_folder(RAW / "movies") / "simulated.ome.tif", movie.frames_TYX, movie.calibration)
    ground_truth = make_folder(RAW / "references" / "simulated")
    write_table(ground_truth / "tracks.csv", movie.tracks, TRACKS)
    write_table(ground_truth / "saltations.csv", movie.saltations, SALTATIONS)
    write_label_movie(
        ground_truth / "labels.tif",
        movie.labels_TYX,
        n_frames=settings.movie_frames,
        shape_YX=(settings.movie_px, settings.movie_px),
        largest_id=int(movie.labels_TYX.max()),
        calibration=CALIBRATION,
    )
    write_json(RAW / "movies.json", {"simulated": {"file": "simulated.ome.tif"}})


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
        path = Path(movie.file)
        name = f"{path.parent.name}_{path.name}"
        _copy(root / movie.file, RAW / "movies" / name)
        about[movie_name(Path(name))] = {
            "file": name,
            **movie.model_dump(include={"channel", "pixel_size_um", "frame_interval_min"}, exclude_none=True),
        }
        for reference, target in ((movie.reference_tracks, "tracks"), (movie.reference_labels, "labels")):
            if reference is not None:
                folder = RAW / "references" / movie_name(Path(name))
                _copy(root / reference, folder / f"{target}{Path(reference).suffix}")
    write_json(RAW / "movies.json", about)


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
