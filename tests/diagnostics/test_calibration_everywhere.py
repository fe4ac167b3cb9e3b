"""Calibration of everything: its machinery on a posterior known exactly, its studies, store and pages."""

from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks.calibration.everywhere import pages, store
from benchmarks.calibration.everywhere.loop import KEPT, calibrate
from benchmarks.calibration.everywhere.studies import SAMPLERS, STUDIES
from benchmarks.calibration.uniformity import ecdf_p_value

TINY = 1e-4
"""P-value that a right answer has once in ten thousand tests."""


@dataclass(frozen=True)
class Coin:
    """Ten flips of a coin under Beta(2, 3): the posterior is a Beta, drawn exactly or with other counts."""

    counts: tuple[float, float] = (2.0, 3.0)
    refuses_below: int = 0
    name: str = "a coin, 10 flips"
    page: str = "coin"

    def simulate(self, rng):
        p = rng.beta(2, 3)
        return {"p": np.array(p)}, rng.binomial(10, p)

    def draw(self, data, rng):
        if data < self.refuses_below:
            return None
        return {"p": rng.beta(self.counts[0] + data, self.counts[1] + 10 - data, KEPT)}, 0.0

    def quantities(self, params, data):
        p = params["p"]
        return {"p": p, "log-likelihood": data * np.log(p) + (10 - data) * np.log1p(-p)}


def p_values(coin, number=300):
    ranks, _ = calibrate(coin, 1, 0, number)
    return [ecdf_p_value(of, KEPT) for of in ranks.of.values()]


def test_a_right_posterior_passes():
    assert min(p_values(Coin())) > TINY


def test_a_wrong_posterior_is_caught():
    for counts in ((8.0, 12.0), (3.0, 2.0)):  # too narrow, and shifted
        assert min(p_values(Coin(counts))) < TINY * 10


def test_data_sets_that_are_refused_leave_ranks_uniform():
    ranks, refused = calibrate(Coin(refuses_below=3), 1, 0, 300)
    assert 50 < refused < 250
    assert ranks.size + refused == 300
    assert min(ecdf_p_value(of, KEPT) for of in ranks.of.values()) > TINY


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path):
    coin = Coin(refuses_below=2)
    whole = store.Kept() + calibrate(coin, 1, 0, 12)
    for first, number in ((0, 5), (5, 7)):
        kept = store.read(coin, tmp_path)
        assert kept.tried == first
        store.keep(coin, kept + calibrate(coin, 1, first, number), tmp_path)
    again = store.read(coin, tmp_path)
    assert (again.tried, again.refused) == (12, whole.refused)
    for name, of in whole.ranks.of.items():
        np.testing.assert_array_equal(again.ranks.of[name], of)
    assert list(tmp_path.iterdir()) == [store.path_of(coin, tmp_path)]  # nothing half written is left


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: f"{study.page}, {study.name}")
def test_every_study_simulates_data_that_its_model_can_have_made(study):
    truth, data = study.simulate(np.random.default_rng(3))
    both = {name: np.stack([value, value]) for name, value in truth.items()}
    found = study.quantities(both, data)
    assert all(np.isfinite(values).all() and values.shape == (2,) for values in found.values())
    if hasattr(study, "spec"):  # every free parameter once, and four quantities beside them
        assert study.spec.resolved
        assert len(found) == 4 + study.spec.parameter_count(study.n_features)


def test_the_studies_have_what_they_say():
    by = {(study.page, study.name): study for study in STUDIES}
    assert len(by) == len(STUDIES) == len({store.path_of(study) for study in STUDIES})
    assert {study.page for study in STUDIES} == set(pages.PAGES)
    rng = np.random.default_rng(1)
    holes = np.isnan(by["bernoulli", "K=2, D=6, 20% missing"].simulate(rng)[1].X)
    assert 0.1 < holes.mean() < 0.3
    assert np.isfinite(by["poisson", "K=2, D=3, 10 rows labelled"].simulate(rng)[1].labels).sum() == 10
    rows = by["bernoulli", "K=2, D=3, weights for equal rows"].simulate(rng)[1]
    counted = rows.weights > 0
    assert rows.weights.sum() == len(rows.X) > counted.sum()
    assert len(np.unique(rows.X[counted], axis=0)) == counted.sum()
    assert {study.sampler for study in STUDIES if hasattr(study, "sampler")} == set(SAMPLERS)


def test_the_pages_are_what_the_kept_ranks_say():
    for name in pages.PAGES:
        written = (pages.FOLDER / f"{name}.md").read_text(encoding="utf-8")
        assert written == pages.page(name, pages.found_of(name))


def test_a_page_says_how_large_the_run_was():
    coin = Coin()
    kept = store.Kept() + calibrate(coin, 1, 0, 20)
    assert "small run" in pages.caution({coin.name: kept.tried})
    assert pages.caution({coin.name: pages.ENOUGH}) == ""
    assert "No case has" in pages.verdict({})
    wrong = pages.verdict({"a": {f"q{i}": 0.5 for i in range(30)} | {"q": 0.001}})
    assert "**a sign of a wrong posterior**" in wrong
    assert "no sign" in pages.verdict({"a": pages.p_values(kept.ranks)})
