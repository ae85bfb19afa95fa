"""Servers that several test modules of the drivers talk to."""

from collections.abc import Iterator

import pytest

from tests.backups.sshd import Sshd, program, running_sshd
from tests.needs import stop_without


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A real sshd on loopback."""
    stop_without(("sshd", "ssh-keygen"), program)
    with running_sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running
