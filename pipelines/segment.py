"""Stage `segment`: the somas in every frame of every movie, by one network."""

from functools import partial
from pathlib import Path

from somanet.analysis.finished import FinishedMovies, movie_inputs, noted
from somanet.analysis.project import project_movies
from somanet.analysis.stages.segment import segment_movie
from somanet.config import load_params
from somanet.core.counting import counted
from somanet.segmentation.engines import with_engine
from somanet.segmentation.inference.haze import rule_for
from somanet.segmentation.inference.record import record_of
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import load_checkpoint
from somanet.training.experiments import echo, stage

RAW, MASKS = Path("data/raw"), Path("data/masks")


def main() -> None:
    params = load_params()
    choice = with_engine(load_checkpoint(params.segment.model), "torch", device=params.segment.device)
    for note in choice.notes:
        echo(f"note: {note}")
    network = choice.checkpoint
    segmenter = Segmenter((network,), tta=params.segment.symmetries, haze=rule_for(network.intended_use))
    finished = FinishedMovies.of("segment")
    for movie in project_movies(RAW):
        folder = MASKS / movie.name
        found, computed = finished.result(
            {**movie_inputs(movie.source), "network": record_of(segmenter)},
            folder,
            partial(segment_movie, movie.source, segmenter, folder),
        )
        frames = counted(len(found["objects_per_frame"]), "frame")
        echo(f"{movie.name}: {counted(found['n_objects'], 'object')} in {frames}{noted(computed)}")


if __name__ == "__main__":
    stage(main, network=True)
