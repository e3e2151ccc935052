import pytest


@pytest.fixture(params=["folder", "zip"])
def kind(request) -> str:
    """How a data set lies on disk, see `layout_writers.placed`."""
    return request.param
