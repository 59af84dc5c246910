from __future__ import annotations

from pathlib import Path

import pytest

from tests.worlds import save_bright_network


@pytest.fixture(scope="session")
def bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that outlines exactly what is brighter than half of the range."""
    return save_bright_network(tmp_path_factory.mktemp("bright") / "model")
