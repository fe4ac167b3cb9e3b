"""The report's section on missing cells."""

from types import SimpleNamespace

import numpy as np
import pytest

import mixtures as mx
from mixtures.data.reading import as_data
from mixtures.em.missing_information import missing_information
from mixtures.reporting.blocks import Figure, Paragraph, Table
from mixtures.reporting.missing import missing_section


def material(spec, data, em):
    return SimpleNamespace(
        data=data,
        spec=spec,
        cc=SimpleNamespace(em=em, relabelled=lambda table: table, in_words=lambda label: f"the {label}"),
        pictured=SimpleNamespace(data=data),
    )


@pytest.fixture(scope="module")
def told():
    """Two clusters; in the second the last column is mostly missing."""
    rng = np.random.default_rng(0)
    z = np.arange(160) % 2
    X = rng.normal(size=(160, 2)) + 8 * z[:, None]
    X[(z == 1) & (rng.random(160) < 0.6), 1] = np.nan
    data = as_data(X, missing="integrate")
    start = {"alpha": [0.5, 0.5], "mu": [[0, 0], [8, 8]], "Sigma": [np.eye(2)] * 2}
    em = mx.fit_em(mx.GMM(2), data, start=start, tol=1e-8)
    return data, em, missing_section(material(em.spec, data, em))


def test_the_patterns_are_drawn_and_the_parameters_listed(told):
    data, em, section = told
    figure, paragraph, table = section.blocks
    assert isinstance(figure, Figure)
    assert isinstance(table, Table)
    fractions = missing_information(em.spec, data, em.params, random_seed=0)
    assert fractions["mu"][1, 1] == pytest.approx(np.isnan(data.values[1::2, 1]).mean(), abs=0.08)
    assert fractions["mu"][0].max() < 0.02
    first = [cell.text for cell in table.rows[0]]
    assert first[0].endswith("x1]")
    assert "1" in first[0]
    assert f"the {first[0]}, {first[2]}" in paragraph.text
    assert paragraph.text.count("; the ") == 1  # one of each cluster


def test_without_missing_cells_there_is_no_section():
    X = np.random.default_rng(0).normal(size=(30, 2))
    em = mx.fit_em(mx.GMM(1), X)
    assert missing_section(material(em.spec, as_data(X), em)) is None
    assert missing_section(material(em.spec, None, em)) is None


def test_what_is_not_known_is_said(told):
    rng = np.random.default_rng(0)
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], 50, axis=0) + 1e-7 * rng.normal(size=(100, 2))
    X[::7, 0] = np.nan
    em = mx.fit_em(mx.GMM(2, covariance_type="diag", prior=None), X, random_seed=0, missing="integrate")
    section = missing_section(material(em.spec, as_data(X, missing="integrate"), em))
    paragraph = section.blocks[-1]
    assert isinstance(paragraph, Paragraph)
    assert "is not known" in paragraph.text
