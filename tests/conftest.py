"""What holds for every test: system programs are named, and properties run the same everywhere."""

import os

import pytest
from hypothesis import settings

from tests.needs import stop_without

settings.register_profile("same-everywhere", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("searching", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same-everywhere"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*programs): system programs that the test runs")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        stop_without(mark.args)
