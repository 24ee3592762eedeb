from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.netns.namespace import Namespace


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with Namespace() as made:
        yield made
