"""Broken and hostile files of every kind, by kind of input."""

from tests.cli.hostile_cases import images, names, networks, records, settings, tables, unpacking, workbooks
from tests.cli.hostile_cases.base import Cases

ALL: Cases = {}
for _part in (images, unpacking, tables, workbooks, settings, networks, records, names):
    assert not ALL.keys() & _part.CASES.keys()
    ALL |= _part.CASES
