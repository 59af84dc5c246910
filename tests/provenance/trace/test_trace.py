"""The walk over drawn records, and the command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.provenance.trace.records import Node, Record
from somanet.provenance.trace.trace import Tracer, trace
from tests.worlds import somanet


class Drawn:
    """A reader of a drawing: `ab cd` says that a was made from b and c from d; `a?b` unless the chain has b."""

    def __init__(self, drawing: str, **metadata: str) -> None:
        self.pairs = drawing.split()
        self.metadata = metadata
        self.read_names: list[str] = []

    def read(self, node: Node) -> Record:
        self.read_names.append(node.name)
        mine = [pair for pair in self.pairs if pair[0] == node.name]
        return Record(
            self.metadata,
            tuple(Node("data", pair[1]) for pair in mine if "?" not in pair),
            tuple(Node("data", pair[2]) for pair in mine if "?" in pair),
        )


def walk(drawing: str) -> dict[str, str]:
    """The chain of a: its links in order, each with those that it was made from."""
    links = Tracer([Drawn(drawing)]).links(Node("data", "a"))
    return {link.name: "".join(one.removeprefix("data ") for one in link.made_from) for link in links}


@pytest.mark.parametrize(
    ("drawing", "chain"),
    [
        ("", {"a": ""}),
        ("ab bc", {"a": "b", "b": "c", "c": ""}),
        ("ab ac bd cd", {"a": "bc", "c": "d", "b": "d", "d": ""}),  # d after both that were made from it
        ("ab ab", {"a": "b", "b": ""}),
        ("ab bc ca", {"a": "b", "b": "c", "c": ""}),  # a circle
        ("aa", {"a": ""}),
        ("xy", {"a": ""}),
        ("a?b", {"a": "b", "b": ""}),
        ("ab bc b?c", {"a": "b", "b": "c", "c": ""}),
        ("ab ac b?c", {"a": "bc", "b": "c", "c": ""}),  # at b, c is not yet there
        ("ac ab b?c", {"a": "cb", "b": "", "c": ""}),  # at b, c is there
        ("ab bc a?c", {"a": "b", "b": "c", "c": ""}),  # c came through b
    ],
)
def test_the_walk(drawing: str, chain: Mapping[str, str]) -> None:
    found = walk(drawing)
    assert found == chain
    assert list(found) == list(chain)


def test_each_node_is_read_once_and_its_records_are_joined_in_the_order_of_the_readers() -> None:
    """One reader leads from a over b to d, one over c; both have a fact x."""
    readers = [Drawn("ab bd", x="1", y="1"), Drawn("ac cd", x="2", z="2")]
    first, *_ = Tracer(readers).links(Node("data", "a", record=Record({"z": "3"}, (Node("data", "e"),))))
    assert first.made_from == ("data b", "data c", "data e")
    assert list(first.metadata.items()) == [("x", "2"), ("y", "1"), ("z", "3")]
    for reader in readers:
        assert sorted(reader.read_names) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("stranger.csv", "The origin of stranger.csv is not recorded here"), ("none.csv", "none.csv not found")],
)
def test_a_file_of_unknown_origin_is_one_line(project: Path, name: str, words: str) -> None:
    (project / "stranger.csv").write_text("1")
    with pytest.raises(SomaNetError, match=words) as error:
        trace(project / name)
    assert "\n" not in str(error.value)


def test_the_command_prints_text_or_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert somanet("trace", "reports/metrics.json", cwd=project) is None
    text = capsys.readouterr().out
    assert text.startswith("reports/metrics.json\n    sha256: ")
    assert "\nstage train@mine\n    command: python train.py mine\n" in text
    assert text.rstrip().endswith("Everything that could be checked is as recorded.")
    assert somanet("trace", "reports/metrics.json", "--json", cwd=project) is None
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == "reports/metrics.json"
    assert [one["id"] for one in told["links"]][:2] == ["file reports/metrics.json", "stage score"]
    assert {"commit", "uncommitted_changes", "versions"} <= set(told["now"])
    error = somanet("trace", "nowhere.csv", cwd=project)
    assert error is not None
    assert "not found" in error
