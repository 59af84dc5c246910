"""Networks as the commands and the Python interface open them: for movies, or for images one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from somanet.analysis.network import BUNDLED, OpenedNetworks, about_network, about_networks, open_networks
from somanet.core.machine import available_processors
from somanet.provenance.code import project_root
from somanet.segmentation.inference.at_once import usual_workers


def open_for_movies(models: Sequence[Path | str | None] | None, **options: Any) -> OpenedNetworks:
    """The networks for movies, whose frames are segmented at once, each by one thread.

    Args:
        models: names as :func:`somanet.analysis.network.network_folder` takes them; none = the bundled model.
        options: further ones of :func:`somanet.analysis.network.open_networks`.

    Raises:
        SomaNetError: as there.
    """
    return open_networks(models, **options, threads=1, at_once=usual_workers())


def open_for_images(models: Sequence[Path | str | None] | None, **options: Any) -> OpenedNetworks:
    """The same for images that are segmented one by one, each by all processors."""
    return open_networks(models, **options, threads=available_processors(), at_once=1)


def about_opened(opened: OpenedNetworks) -> dict[str, Any]:
    """Metadata of networks for a manifest, see :func:`somanet.analysis.network.about_network`.

    The bundled model was trained elsewhere, so no project's store is searched for its run.
    """
    if opened.folders == (BUNDLED,):
        return about_network(BUNDLED, opened.segmenter.first.sha256)
    return about_networks(opened, project_root())
