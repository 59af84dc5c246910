"""Changes to tables: CSV, and the space-separated tables of the Cell Tracking Challenge."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.robustness.mutators.base import INTEGERS, NUMBERS, WORDS, Unfit


def _table(path: Path) -> tuple[list[list[str]], str]:
    text = path.read_text("utf-8", "replace")
    mark = " " if path.suffix == ".txt" else ","
    rows = [line.split(mark) for line in text.splitlines()]
    if not rows:
        raise Unfit
    return rows, mark


def _write(path: Path, rows: list[list[str]], mark: str) -> None:
    path.write_bytes("".join(mark.join(row) + "\n" for row in rows).encode("utf-8", "surrogatepass"))


def cell(path: Path, rng: Random) -> None:
    rows, mark = _table(path)
    row = rng.choice(rows[1:] or rows)
    row[rng.randrange(len(row))] = rng.choice((*NUMBERS, *WORDS, *map(str, INTEGERS)))
    _write(path, rows, mark)


def column(path: Path, rng: Random) -> None:
    """A column is gone, doubled, renamed, new or all of one value."""
    rows, mark = _table(path)
    n, how = rng.randrange(len(rows[0])), rng.randrange(5)
    value = rng.choice((*NUMBERS, *WORDS, *map(str, INTEGERS)))
    for number, row in enumerate(rows):
        if n >= len(row):
            continue
        if how == 0:
            del row[n]
        elif how == 1:
            row.insert(n, row[n])
        elif how == 2 and number == 0:
            row[n] = value
        elif how == 3:
            row.insert(n, value)
        elif how == 4 and number:
            row[n] = value
    _write(path, rows, mark)


def rows(path: Path, rng: Random) -> None:
    """Rows in another order, twice, none, ragged or very many."""
    head, *body = (found := _table(path))[0]
    if not body:
        raise Unfit
    how = rng.randrange(7)
    if how == 0:
        rng.shuffle(body)
    elif how == 1:
        body *= 2
    elif how == 2:
        body = []
    elif how == 3:
        body[rng.randrange(len(body))] += ["1"] * rng.choice((1, 1000))
    elif how == 4:
        one = body[rng.randrange(len(body))]
        del one[rng.randrange(len(one)) :]
    elif how == 5:
        body = body[:1]
    else:
        body = [[str(i), *row[1:]] for i, row in enumerate(body * (100_000 // len(body)))]
    _write(path, [head, *body], found[1])


def whole(path: Path, rng: Random) -> None:
    text = path.read_text("utf-8", "replace")
    mark = " " if path.suffix == ".txt" else ","
    new = rng.choice((
        text.replace(mark, ";"), text.replace(mark, "\t"), text.replace("\n", "\r"), text.replace("\n", "\r\n"),
        '"' + text,
        text.replace(mark, mark + '"', 3),
        mark.join(f"c{i}" for i in range(100_000)) + "\n" + mark.join("1" * 100_000) + "\n",
        "\n" * 1000 + text, "#" + text, text.split("\n", 1)[0], text + mark * 10**6, text.upper(), "sep=,\n" + text,
        text.replace(".", ","),
        text + "".join(text.splitlines(keepends=True)[-1:]).replace("4", "10000000"), "\x00" * 100 + text,
        "," * 50 + "\n" * 50,
    ))  # fmt: skip
    path.write_bytes(new.encode("utf-8", "surrogatepass"))
