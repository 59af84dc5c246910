"""Stage `manifest`: decode everything, reject what cannot be used, pack the rest, make the split."""

from pathlib import Path

import pandas as pd

from somanet.config import load_params
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.manifest import describe_manifest, pack_dataset
from somanet.io.datasets.movie_manifest import check_movies
from somanet.io.datasets.splits import make_split, read_split, write_split
from somanet.io.tables import write_table
from somanet.training.experiments import stage

RAW, PACKED, REPORTS = Path("data/raw"), Path("data/packed"), Path("reports/data")
DATASETS = ("source", "target_train", "target_val")


def refuse_leaks(manifest: pd.DataFrame) -> None:
    """Refuse images that are used for both training and validation."""
    accepted = manifest[manifest["status"] == "accepted"]
    name_of = {part: rows.set_index("sha256")["name"] for part, rows in accepted.groupby("dataset")}
    shared = name_of["target_train"].index.intersection(name_of["target_val"].index)
    if len(shared):
        raise SomaNetError(
            f"{len(shared)} images are in both target_train and target_val, such as "
            f"{name_of['target_val'][shared[0]]}. "
            "Their scores would be too high: remove them from one of the two."
        )


def main() -> None:
    params = load_params()
    tables = []
    for name in DATASETS:
        manifest = pack_dataset(
            RAW / f"{name}.zip",
            PACKED / name,
            overlap_tolerance=params.manifest.max_overlap_fraction,
            progress=True,
        )
        print(f"{name}: {describe_manifest(manifest)}")
        tables.append(manifest.assign(dataset=name))
    manifest = pd.concat(tables, ignore_index=True)
    write_table(REPORTS / "manifest.csv", manifest)
    refuse_leaks(manifest)
    names = open_dataset(PACKED / "source").names
    given = RAW / "source_split.csv"
    if given.exists():
        split = {part: tuple(n for n in ids if n in set(names)) for part, ids in read_split(given).items()}
    else:
        split = make_split(names, fractions=params.manifest.fractions.model_dump(), seed=params.seed)
    write_split(REPORTS / "split.csv", split)
    print("source split:", ", ".join(f"{part} {len(ids)}" for part, ids in split.items()))
    movies = check_movies(RAW / "movies")
    write_table(REPORTS / "movies.csv", movies)
    print("movies:", describe_manifest(movies))


if __name__ == "__main__":
    stage(main)
