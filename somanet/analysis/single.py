"""One movie, checked before the work and analysed: what `somanet analyze MOVIE` and `somanet.analyze` do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.analysis.movie import AnalysisNetworks, Options, analyze_movie, tracks_to_take
from somanet.analysis.names import RESULTS
from somanet.analysis.replacing import check_output, goes_aside
from somanet.analysis.source import MovieSource, check_intended_use
from somanet.core.results import check_results
from somanet.corrections import read
from somanet.corrections.record import check_movie
from somanet.io.movies import sha256_movie

if TYPE_CHECKING:
    from somanet.analysis.stages.segment import Elsewhere
    from somanet.migration.measures import Measures


def analyze_single(
    source: MovieSource,
    output: Path,
    *,
    network: Callable[[], AnalysisNetworks],
    tracks: Path | None = None,
    corrections: Path | None = None,
    options: Options,
    say: Callable[[str], None],
    elsewhere: Elsewhere | None = None,
) -> Measures:
    """Analyse a movie; what can be refused is refused before a network is opened, not after hours of work.

    Args:
        source: the movie.
        output: the folder of results.
        network: opens the networks; not called with tracks.
        tracks: made elsewhere, used instead of a network; those that come from SomaNet's own results of this movie
            become corrections of these.
        corrections: a person's corrections of these results.
        options: see :class:`somanet.analysis.movie.Options`.
        say: is told where tracks come from, and that a movie is too small for other processes.
        elsewhere: other processes that segment the frames of a large movie.

    Raises:
        SomaNetError: as for :func:`somanet.analysis.movie.analyze_movie`, or the movie is outside the network's
            intended use.
    """
    check_output(output, movie=source.name, automatic=tracks is None and corrections is None, path=source.path)
    made = None if corrections is None else read(corrections, movie_sha256=sha256_movie(source.path))
    with tracks_to_take(tracks, output) as taken:
        with source.open() as movie:
            aside = goes_aside(output, source.path, position=movie.position)
            check_results(output, RESULTS, writes=options.files(), aside=aside)
            source.calibration(movie)
            if made is not None:
                sha256 = made.header.movie_sha256  # compared above
                check_movie(made.header, sha256, made.path, position=movie.position, asked=source.position)
            if elsewhere is not None and (small := elsewhere.too_small(movie)):
                say(small)
                elsewhere = None
        if tracks is not None and corrections is None:
            from somanet.analysis.own_tracks import take_own_tracks  # statistics, which no network waits for

            measures = take_own_tracks(source, tracks, taken or tracks, output, options, say)
            if measures is not None:
                return measures
        networks = None
        if taken is None:
            networks = network()
            if not options.any_modality:
                check_intended_use([source], networks.segmenter.intended_use)
        return analyze_movie(
            source,
            output,
            network=networks,
            tracks_file=taken,
            corrections_file=corrections,
            options=options,
            elsewhere=elsewhere,
            aside=aside,
        )
