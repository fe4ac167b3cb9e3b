"""Accelerated EM ends where plain EM does."""

import pytest

from benchmarks import laws


@pytest.mark.parametrize("number", [7, 12, 13, 14, 15])
def test_accelerated_em_ends_where_plain_em_does(number):
    """Problem 7 leaves a saddle between several modes."""
    _, *made = laws.problem(number)
    outcome, told = laws.compared(*made)
    assert outcome == "same", told
