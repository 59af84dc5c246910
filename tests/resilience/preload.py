"""Imported once by the server that the test processes are forked from."""

import importlib
import warnings

from tests.resilience.child import PRELOAD

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for _name in PRELOAD:
        importlib.import_module(_name)
