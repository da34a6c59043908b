import pytest

from latentbench.testing import check_dataset


@pytest.fixture
def broken_rules():
    """A function that holds a dataset to the contract and returns a sentence for each rule that it breaks."""

    def broken(dataset, **options):
        findings = check_dataset(dataset, **options)
        assert any(found.status == "ok" for found in findings)
        return [f"{found.rule}: {found.reason}" for found in findings if not found.passed]

    return broken
