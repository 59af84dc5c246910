"""The page of `dvc plots`, drawn without a network."""

from __future__ import annotations

import re

import pytest
from dvc_render.vega import VegaRenderer

from somanet.core.errors import SomaNetError
from tools.plots import without_network

PAGE = "<html><head>{}</head><body><script>vegaEmbed('#a', {{}})</script></body></html>"


def test_what_dvc_loads_from_the_internet_is_in_the_page() -> None:
    page = without_network(PAGE.format(VegaRenderer.SCRIPTS))
    assert not re.search(r"""src\s*=\s*["']http""", page)
    assert page.index("window.vegaEmbed=") < page.index("vegaEmbed('#a', {})")  # defined before it is used
    assert page.count("<script") == page.count("</script>") == 2


def test_a_page_of_pictures_shows_them_whole() -> None:
    page = PAGE.format("")
    style = "<style>img { max-width: calc(100vw - 60px); }</style>\n"
    assert without_network(page) == page.replace("</head>", f"{style}</head>")


def test_what_else_would_be_loaded_is_refused() -> None:
    with pytest.raises(SomaNetError, match=r"loads https://cdn.plot.ly/plotly.js, which"):
        without_network(PAGE.format('<script src="https://cdn.plot.ly/plotly.js"></script>'))
