"""Mixed columns: one latent class for blocks of Gaussian, binary, categorical and count columns."""

from dataclasses import replace

import numpy as np
import oracle_mixed
import pandas as pd
import pytest
import test_laws as laws
from command import run
from conftest import ALONE, make_params, make_rows, simulate
from scipy import stats
from scipy.special import logsumexp

import mixtures as mx
from mixtures import InputError, Mixed
from mixtures.data.reading import as_data
from mixtures.em.estep import e_step
from mixtures.families.blocks import KINDS
from mixtures.families.kinds import kinds_of
from mixtures.given import given
from mixtures.trees import draws_tree

PLACES = {"gaussian": (4, 0), "bernoulli": (1, 5), "categorical": (2,), "poisson": (3,)}
"""Columns of every kind, not side by side and not in order."""

SOME = {"gaussian": (1,), "poisson": (0, 2)}


def mixed(k=3, places=PLACES, **how):
    levels = {"levels": range(3)} if "categorical" in places else {}
    return Mixed(k, **places, **levels, **how)


SPECS = [
    mixed(),
    mixed(covariance_type="diag"),
    mixed(covariance_type="tied"),
    mixed(places=SOME),
    mixed(places={"bernoulli": (0, 1, 3), "categorical": (2, 4)}),
]

every_mixed = pytest.mark.parametrize(
    "spec", SPECS, ids=lambda spec: f"{'+'.join(spec.blocks)} {spec.covariance_type}"
)

LAWS = [
    laws.test_responsibilities_and_log_likelihood_sum_the_clusters_out,
    laws.test_statistics_of_the_parts_add_up_to_those_of_the_whole,
    laws.test_statistics_add_where_a_part_has_no_rows_of_a_cluster,
    laws.test_divergence_takes_batches_of_draws,
    laws.test_no_step_has_length_zero_even_with_an_empty_cluster,
    laws.test_inside_moves_only_what_is_on_the_boundary,
    laws.test_leading_axes_are_many_sets_of_parameters,
    laws.test_moments_are_those_of_rows_drawn,
]

LAWS_OF_PRIORS = [
    laws.test_the_objective_of_em_never_falls,
    laws.test_relabelling_commutes_with_everything,
    laws.test_whole_weights_are_repeated_rows,
    laws.test_heights_and_steps_of_many_sets_are_those_of_each,
]


def people(n=300, seed=1):
    """A frame with a column of every kind, and the group of every row."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 3, n)
    job = np.where(rng.random(n) < 0.7, z, rng.integers(0, 3, n))
    frame = pd.DataFrame(
        {
            "height": rng.normal(2.0 * z, 1),
            "smokes": (rng.random(n) < np.array([0.1, 0.5, 0.9])[z]).astype(int),
            "weight": rng.normal(-2.0 * z, 1.5),
            "visits": rng.poisson(np.array([1, 4, 9])[z]),
            "job": np.array(["baker", "clerk", "miner"])[job],
        }
    )
    return frame, z


BLOCKS = {
    "gaussian": ["weight", "height"],
    "bernoulli": ["smokes"],
    "categorical": ["job"],
    "poisson": ["visits"],
}


def with_holes(frame, share=0.15, seed=3):
    holes = np.random.default_rng(seed).random(frame.shape) < share
    frame = frame.copy()
    for j, name in enumerate(frame):
        kept = frame[name].astype(object if name == "job" else float)
        frame[name] = kept.mask(holes[:, j])
    return frame


# The density, and the laws of every family


@every_mixed
def test_the_density_is_the_product_of_the_blocks(spec):
    params, X, _ = simulate(spec)
    own = {block.kind: block for block in spec.family.blocks}
    expected = np.zeros((3, len(X)))
    for kind, block in own.items():
        part, theta = X[:, list(block.places)], block.own(params)
        for k in range(3):
            if kind == "gaussian":
                mean, Sigma = (x[k] for x in block.family.moments(theta))
                expected[k] += stats.multivariate_normal(mean, Sigma).logpdf(part)
            elif kind == "bernoulli":
                expected[k] += stats.bernoulli(theta["p"][k]).logpmf(part).sum(axis=1)
            elif kind == "poisson":
                expected[k] += stats.poisson(theta["rate"][k]).logpmf(part).sum(axis=1)
            else:
                levels = zip(theta["p"][k], part.T.astype(int), strict=True)
                expected[k] += sum(np.log(p[codes]) for p, codes in levels)
    np.testing.assert_allclose(spec.family.density(params)(X.T), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(spec.family.textbook_log_density(X.T, params), expected, rtol=1e-9, atol=1e-9)
    natural = spec.family.natural(params) @ spec.family.features(X.T) + spec.family.base_measure(X.T)
    np.testing.assert_allclose(natural, expected, rtol=1e-8, atol=1e-8)


@every_mixed
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_laws_of_families_hold(spec, law):
    law(spec=spec)


@every_mixed
@pytest.mark.parametrize("prior", ["default", None], ids=["default", "flat"])
@pytest.mark.parametrize("law", LAWS_OF_PRIORS, ids=lambda law: law.__name__)
def test_the_laws_of_families_hold_under_every_prior(spec, law, prior):
    law(spec=spec, prior=prior)


@every_mixed
def test_the_m_step_is_the_mode_of_the_complete_data_posterior(spec):
    laws.test_the_m_step_is_the_mode_of_the_complete_data_posterior(spec=spec, prior="default")


@every_mixed
def test_shapes_and_dims_are_those_of_the_parameters(spec):
    d = len(spec.columns)
    params, sizes = make_params(spec), spec.family.sizes(3, d)
    assert {name: x.shape for name, x in params.items()} == spec.shapes(d)
    assert {name: tuple(sizes[dim] for dim in dims) for name, dims in spec.dims.items()} == spec.shapes(d)
    for kind, own in spec.blocks.items():
        assert sizes[f"feature_{kind}"] == len(own)


@every_mixed
def test_a_pass_over_the_rows_does_not_depend_on_the_chunks(spec, monkeypatch):
    laws.test_a_pass_over_the_rows_does_not_depend_on_the_chunks(spec=spec, monkeypatch=monkeypatch)


@every_mixed
def test_units_and_margins_are_those_of_the_blocks(spec):
    params, X, _ = simulate(spec)
    location, scale = spec.family.units(as_data(X))
    mean, covariance = spec.family.moments(params)
    for block in spec.family.blocks:
        at = list(block.places)
        of_block = block.family.units(as_data(X[:, at]))
        np.testing.assert_allclose([location[at], scale[at]], of_block)
        np.testing.assert_allclose(mean[:, at], block.family.moments(block.own(params))[0])
    of_some = spec.family.marginal_moments(params, [2, 0])
    np.testing.assert_allclose(of_some[0], mean[:, [2, 0]])
    np.testing.assert_allclose(of_some[1], covariance[:, [2, 0]][:, :, [2, 0]])


@every_mixed
def test_the_margin_of_some_columns_has_scipys_density(spec):
    params, X, _ = simulate(spec)
    every = list(range(X.shape[1]))
    for features in (*([d] for d in every), [2, 0], every[::-1]):
        family = spec.family.marginal_family(features)
        own = {"alpha": params["alpha"], **spec.family.margin(params, features)}
        rows = X[:20, features]
        expected = [oracle_mixed.log_density(one, rows) for one in oracle_mixed.clusters(family, own)]
        np.testing.assert_allclose(family.density(own)(rows.T), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(expected, spec.family.density(params)(X[:20].T), rtol=1e-9, atol=1e-9)


def test_pictures_of_one_column_are_those_of_its_margin():
    X = people(60)[0]
    em = mx.fit_em(Mixed(3, **BLOCKS), X, random_seed=1, n_init=1)
    alpha, job = em.params["alpha"], em.params["p_level"][:, 0]
    ax = mx.plot.clusters(em, X, features=("job",))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["baker", "clerk", "miner"]
    np.testing.assert_allclose(ax.lines[0].get_ydata()[::2], alpha @ job)
    ax = mx.plot.clusters(em, X, features=("visits",))
    assert ax.lines[0].get_xdata()[0] == X["visits"].min() - 0.5
    counts = np.arange(X["visits"].min(), X["visits"].max() + 1)
    expected = alpha @ stats.poisson(em.params["rate"]).pmf(counts)
    np.testing.assert_allclose(ax.lines[0].get_ydata()[::2], expected)
    ax = mx.plot.clusters(em, X, features=("height",))
    x, sd = ax.lines[0].get_xdata(), np.sqrt(em.params["Sigma"][:, 1, 1])
    np.testing.assert_allclose(
        ax.lines[0].get_ydata(), stats.norm.pdf(x[:, None], em.params["mu"][:, 1], sd) @ alpha
    )
    lines, bars = mx.plot.predictive_density(em, X, n_draws=5, features=["height", "visits"])
    x = lines.lines[-1].get_xdata()
    np.testing.assert_allclose(
        lines.lines[-1].get_ydata(), stats.norm.pdf(x[:, None], em.params["mu"][:, 1], sd) @ alpha
    )
    assert bars.get_ylabel() == "share of rows"


# One block is the model of that block


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_block_is_the_model_of_that_block(kind):
    alone = ALONE[kind](2)
    X, _ = make_rows(alone, 120, n_features=3)
    levels = {"levels": range(3)} if kind == "categorical" else {}
    spec = Mixed(2, **{kind: range(3)}, **levels)
    one, other = mx.fit_em(alone, X, random_seed=1), mx.fit_em(spec, X, random_seed=1)
    np.testing.assert_allclose(other.log_likelihood, one.log_likelihood, rtol=1e-10)
    np.testing.assert_allclose(other.log_posterior, one.log_posterior, rtol=1e-10)
    (block,) = spec.family.blocks
    order = np.argsort(one.params["alpha"])
    theirs = np.argsort(other.params["alpha"])
    for name, public in block.names.items():
        expected = one.params[name][order]
        np.testing.assert_allclose(other.params[public][theirs], expected, rtol=1e-5, atol=1e-6)
    assert spec.parameter_count(3) == alone.parameter_count(3)


# Which column is of which kind


def test_the_blocks_are_made_once():
    spec = mixed()
    assert spec.family is spec.family  # every step of EM asks for it
    assert spec.family.parameters is spec.family.parameters
    assert replace(spec, prior=None).family.prior is None


def test_columns_are_matched_by_name():
    frame, _ = people()
    em = mx.fit_em(Mixed(3, **BLOCKS), frame, random_seed=1)
    assert em.features == tuple(frame.columns)
    assert em.spec.levels == (("baker", "clerk", "miner"),)
    assert list(em.params) == ["alpha", "mu", "Sigma", "p", "p_level", "rate"]
    shuffled = frame[["job", "visits", "weight", "smokes", "height"]]
    again = mx.fit_em(Mixed(3, **BLOCKS), shuffled, random_seed=1)
    np.testing.assert_allclose(again.log_posterior, em.log_posterior, rtol=1e-9)
    r = mx.responsibilities(em.spec, frame, em.params)["responsibilities"].values
    np.testing.assert_array_equal(
        mx.responsibilities(em.spec, shuffled, em.params)["responsibilities"].values, r
    )
    assert list(em.to_datatree()["posterior"]["mu"]["feature_gaussian"].values) == ["weight", "height"]


def test_columns_of_arrays_are_given_by_position():
    X, _ = make_rows(mixed(), 150)
    em = mx.fit_em(Mixed(3, **PLACES), X, random_seed=1)
    assert em.spec.gaussian == ("x4", "x0")
    by_name = pd.DataFrame(X, columns=list("abcdef"))
    names = {kind: ["abcdef"[j] for j in own] for kind, own in PLACES.items()}
    other = mx.fit_em(Mixed(3, **names), by_name, random_seed=1)
    np.testing.assert_allclose(other.log_posterior, em.log_posterior, rtol=1e-10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixed(2), "a Mixed model needs columns: name them in gaussian"),
        (lambda: Mixed(2, gaussian="height"), "gaussian must be a list of columns, got 'height'"),
        (lambda: Mixed(2, gaussian=[1.5]), "gaussian: 1.5 is neither the name nor the position"),
        (
            lambda: Mixed(2, gaussian=["a"], poisson=["a"]),
            "column 'a' is in two blocks, gaussian and poisson",
        ),
        (lambda: Mixed(2, gaussian=["a", 1]), "by name or by position"),
        (lambda: Mixed(2, gaussian=[0, 2]), "column 1 is in no block"),
        (lambda: Mixed(2, gaussian=["a"], covariance_type="round"), "covariance_type"),
        (lambda: Mixed(2, poisson=["a"], prior=mx.priors.Gamma(2.0, 1.0)), "use 'default', None or Blocks"),
        (lambda: Mixed(2, poisson=["a"], prior=mx.priors.Blocks(bernoulli=mx.priors.Beta(2, 2))), "no such"),
        (lambda: mx.priors.Blocks(poisson=3), "poisson is 3; give a prior of that block"),
        (
            lambda: Mixed(2, categorical=["a"], levels={"b": [0, 1]}),
            "levels has 'b'; the categorical columns are a",
        ),
    ],
)
def test_models_that_no_data_could_make_right(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"poisson": []}, "column 'visits' is in no block; put it in one of gaussian="),
        ({"poisson": ["visit"]}, "'visit' is in a block, and the data have no such column.*'visits'"),
        ({"bernoulli": ["visits"], "poisson": ["smokes"]}, "bernoulli columns: .*'visits'.*not 0 or 1"),
        ({"gaussian": ["weight"], "poisson": ["visits", "height"]}, "poisson columns: .*'height'"),
        ({"gaussian": ["weight", "height", "job"], "categorical": []}, "column 'job'"),
    ],
)
def test_columns_that_do_not_fit_are_refused_by_name(change, message):
    frame, _ = people()
    with pytest.raises(InputError, match=message):
        mx.fit_em(Mixed(3, **{**BLOCKS, **change}), frame)


# Missing cells


@every_mixed
def test_a_row_has_the_density_of_its_observed_cells(spec):
    params, X, _ = simulate(spec, n_rows=60)
    rng = np.random.default_rng(0)
    X = np.where(rng.random(X.shape) < 0.3, np.nan, X)
    joint = spec.log_joint(params)(X.T)
    for block in spec.family.blocks:
        joint = joint - block.family.density(block.own(params))(X[:, list(block.places)].T)
    np.testing.assert_allclose(joint, np.log(params["alpha"])[:, None] * np.ones(len(X)), atol=1e-9)
    passed = e_step(spec, as_data(X, missing="integrate"), params)
    expected = logsumexp(spec.log_joint(params)(X.T), axis=0).sum()
    np.testing.assert_allclose(passed.log_likelihood, expected, rtol=1e-12)


@every_mixed
def test_em_climbs_with_missing_cells(spec):
    _, X, _ = simulate(spec, n_rows=150)
    X = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    em = mx.fit_em(spec, X, missing="integrate", random_seed=1, n_init=3)
    assert em.converged
    after = mx.em_step(em.spec, X, em.params, missing="integrate")
    for name, x in em.params.items():
        np.testing.assert_allclose(after[name], x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("block", [("mu", "Sigma"), ("p",), ("p_level",), ("rate",)])
def test_blocks_are_held_one_by_one(block):
    """They share no update: what is held at the mode leaves the others there."""
    frame, _ = people(100)
    em = mx.fit_em(mx.Mixed(2, **BLOCKS), frame, n_init=1, random_seed=0)
    hold = {name: em.params[name] for name in block}
    start = {**em.params, "alpha": [0.5, 0.5]}
    held = mx.fit_em(em.spec, frame, hold=hold, start=start)
    for name, x in em.params.items():
        np.testing.assert_allclose(held.params[name], x, rtol=1e-4, atol=1e-4)
    if block[0] == "mu":
        with pytest.raises(InputError, match="hold Sigma too"):
            mx.fit_em(em.spec, frame, hold={"mu": em.params["mu"]})


def test_a_cluster_collapses_whatever_is_held_beside_it():
    frame = pd.DataFrame({"x": [5.0, 5.0, 5.0, 0.0, 1.0, 2.0, 3.0], "flag": [0, 1, 0, 1, 0, 1, 1]})
    spec = mx.Mixed(2, gaussian=["x"], bernoulli=["flag"], prior=None)
    with pytest.raises(mx.CollapseError):
        mx.fit_em(spec, frame, hold={"p": 0.5}, random_seed=0, n_init=1)
    em = mx.fit_em(spec, frame, hold={"Sigma": 1e-20}, random_seed=0, n_init=1)  # as narrow as is asked for
    assert em.converged


def test_missing_cells_are_completed():
    frame, _ = people()
    holes = with_holes(frame)
    em = mx.fit_em(Mixed(3, **BLOCKS), holes, missing="integrate", random_seed=1)
    done = mx.complete(em.spec, holes, em.params, draws=5, random_seed=1)
    assert len(done.cells) == int(holes.isna().sum().sum())
    assert list(done.cells.columns) == ["value", "sd", "lower", "upper", "probability"]
    jobs = done.cells.xs("job", level="column")
    assert set(jobs["value"]) <= {"baker", "clerk", "miner"}
    assert jobs["sd"].isna().all()
    assert (jobs["probability"] > 1 / 3).all()
    weights = done.cells.xs("weight", level="column")
    assert (weights["lower"] < weights["value"]).all()
    assert weights["probability"].isna().all()
    kept = ~holes.isna()
    assert (done.data.where(kept, frame) == frame).all().all()
    for name in ("smokes", "visits"):
        own = done.draws.xs(name, level="column").to_numpy(dtype=float)
        assert (own == np.floor(own)).all()
    truth = frame["height"][holes["height"].isna()].to_numpy()
    guess = done.cells.xs("height", level="column")["value"].to_numpy(dtype=float)
    assert np.corrcoef(truth, guess)[0, 1] > 0.5


# PyMC


@pytest.mark.long
def test_the_certificate_holds_with_all_four_kinds():
    frame, _ = people()
    cc = mx.crosscheck(
        Mixed(3, **BLOCKS), frame, random_seed=1, draws=300, tune=300, chains=2, progressbar=False
    )
    assert cc.passed, cc
    assert cc.posterior["posterior"]["p_level"].dims[2:] == ("cluster", "feature_categorical", "category")
    table = cc.table
    assert {"mu[0, weight]", "p[1, smokes]", "p_level[2, job, miner]", "rate[0, visits]"} <= set(table.index)
    assert "Sigma[0, weight, height]" not in table.index  # the lower triangle only
    gaps = ((table["mean"] - table["EM"]) / table["sd"]).abs()
    assert gaps.max() < 1.5


def test_missing_cells_and_labels_have_a_certificate():
    frame, z = people(150)
    labels = np.where(np.arange(150) < 30, z, -1)
    cc = mx.crosscheck(
        Mixed(3, **BLOCKS, covariance_type="diag"),
        with_holes(frame),
        missing="integrate",
        labels=labels,
        draws=20,
        tune=20,
        chains=2,
        random_seed=1,
        progressbar=False,
    )
    assert cc.passed, cc
    r = mx.responsibilities(cc.em.spec, with_holes(frame), cc.em.params, missing="integrate", labels=labels)
    np.testing.assert_array_equal(r["label"].values[:30], z[:30])


@pytest.mark.usefixtures("no_c_compiler")
def test_rows_of_a_users_model_are_those_of_the_specification():
    import pymc as pm

    soon = {"mode": "FAST_COMPILE"}
    spec = mixed()
    params, X, _ = simulate(spec, n_rows=40)
    theta = {block.kind: block.own(params) for block in spec.family.blocks}
    blocks = {kind: {k: v for k, v in own.items() if k != "alpha"} for kind, own in theta.items()}
    x = mx.MixedMixture.dist(params["alpha"], **blocks, columns=PLACES)
    expected = spec.log_likelihood(X, params)
    np.testing.assert_allclose(pm.logp(x, X).eval(**soon), expected, rtol=1e-9)
    impossible = X.copy()
    impossible[:, PLACES["bernoulli"][0]] = 2
    assert (pm.logp(x, impossible).eval(**soon) == -np.inf).all()
    drawn = pm.draw(x, draws=4000, random_seed=1, **soon)
    rows, _ = spec.sample(params, 4000, np.random.default_rng(2))
    error = 6 * np.sqrt((drawn.var(axis=0) + rows.var(axis=0)) / 4000)
    assert (np.abs(drawn.mean(axis=0) - rows.mean(axis=0)) < error).all()


def test_loo_pit_is_of_the_gaussian_columns():
    X = people(40)[0][["height", "smokes", "weight"]]
    spec = mx.Mixed(2, gaussian=["weight", "height"], bernoulli=["smokes"])
    em = mx.fit_em(spec, X, random_seed=1, n_init=1)
    draws = {name: np.repeat(x[None, None], 30, axis=1) for name, x in em.params.items()}
    draws["mu"] = draws["mu"] + 1e-9 * np.random.default_rng(0).normal(size=draws["mu"].shape)
    tree = draws_tree(draws, em.spec.dims, em.features, em.spec.coords(em.features))
    pit = mx.loo_pit(em.spec, X, tree)["pit"]
    assert pit["feature"].values.tolist() == ["weight", "height"]
    mu, sd = em.params["mu"], np.sqrt(np.diagonal(em.params["Sigma"], axis1=1, axis2=2))
    for j, name in enumerate(["weight", "height"]):
        expected = stats.norm.cdf(X[[name]].to_numpy(), mu[:, j], sd[:, j]) @ em.params["alpha"]
        np.testing.assert_allclose(pit.sel(feature=name), expected, atol=1e-6)
    (ax,) = mx.plot.loo_pit(em.spec, X, tree, features=["height"])
    assert ax.get_xlabel() == "LOO-PIT of height"
    with pytest.raises(InputError, match="'smokes' is not one"):
        mx.plot.loo_pit(em.spec, X, tree, features=["smokes"])


def test_a_users_model_refuses_columns_by_name():
    import pymc as pm

    frame = people()[0].drop(columns="job")
    normal = {"mu": np.zeros((2, 2)), "sigma2": np.ones((2, 2))}
    blocks = {
        "gaussian": normal,
        "bernoulli": {"p": np.full((2, 1), 0.5)},
        "poisson": {"rate": np.ones((2, 1))},
    }
    names = {"gaussian": ["height", "weight"], "bernoulli": ["smokes"], "poisson": ["visits"]}
    swapped = {**names, "bernoulli": ["visits"], "poisson": ["smokes"]}
    wrong = {**names, "gaussian": ["hight", "weight"]}
    alpha = np.full(2, 0.5)
    with pm.Model():
        mx.MixedMixture("x", alpha=alpha, **blocks, columns=names, observed=frame)
        with pytest.raises(InputError, match=r"'visits'.*not 0 or 1"):
            mx.MixedMixture("y", alpha=alpha, **blocks, columns=swapped, observed=frame)
        with pytest.raises(InputError, match=r"no column 'hight'.*'height'"):
            mx.MixedMixture("y", alpha=alpha, **blocks, columns=wrong, observed=frame)
        with pytest.raises(ValueError, match="parameters of one block at least"):
            mx.MixedMixture("y", alpha=alpha, observed=frame)


# Saving


def test_fits_and_samples_are_saved(tmp_path):
    frame, _ = people(100)
    stated = mx.priors.Blocks(bernoulli=mx.priors.Beta(3.0, 2.0))
    em = mx.fit_em(Mixed(3, **BLOCKS, prior=stated), frame, random_seed=1, n_init=2)
    assert em.spec.prior.bernoulli == mx.priors.Beta(np.array([3.0]), np.array([2.0]))
    mx.save(em, tmp_path / "fit.mix")
    again = mx.load(tmp_path / "fit.mix")
    assert again.spec == em.spec
    assert again.spec.levels == em.spec.levels
    assert again.spec.blocks == em.spec.blocks
    for name, x in em.params.items():
        np.testing.assert_array_equal(again.params[name], x)
    r = mx.responsibilities(again.spec, frame, again.params)["responsibilities"]
    np.testing.assert_array_equal(r, mx.responsibilities(em.spec, frame, em.params)["responsibilities"])


def test_a_prior_of_blocks_is_a_value():
    one = mx.priors.Blocks(bernoulli=mx.priors.Beta(2.0, 2.0))
    assert one == mx.priors.Blocks(bernoulli=mx.priors.Beta(2.0, 2.0))
    assert one != mx.priors.Blocks(bernoulli=mx.priors.Beta(2.0, 3.0))
    assert hash(one) == hash(mx.priors.Blocks(bernoulli=mx.priors.Beta(2.0, 2.0)))
    assert repr(one) == "Blocks(bernoulli=Beta(alpha=2, beta=2))"
    assert not mx.priors.Blocks(poisson="default").concrete
    with pytest.raises(InputError, match="Beta"):
        make_params(Mixed(2, poisson=[0], prior=mx.priors.Blocks(poisson=mx.priors.Beta(2.0, 2.0))))


# Kinds read off the columns, and the command line


def test_kinds_are_read_off_the_columns():
    frame, _ = people()
    found = kinds_of(frame)
    assert found == {kind: tuple(name for name in frame if name in own) for kind, own in BLOCKS.items()}
    assert kinds_of(with_holes(frame)) == found
    assert kinds_of(frame, {"visits": "gaussian"})["gaussian"] == ("height", "weight", "visits")
    large = pd.DataFrame({"waiting": [43, 96], "below": [-1, 2], "yes": [True, False]})
    assert kinds_of(large) == {"gaussian": ("waiting", "below"), "bernoulli": ("yes",)}
    with pytest.raises(InputError, match=r"no column 'visit' \(did you mean 'visits'"):
        kinds_of(frame, {"visit": "poisson"})
    with pytest.raises(InputError, match=r"'normal' is not one of gaussian, bernoulli"):
        kinds_of(frame, {"visits": "normal"})


def test_the_command_line_says_what_it_took_for_what(tmp_path):
    people(120)[0].to_csv(tmp_path / "people.csv", index=False)
    code, out, err = run(
        "predict", tmp_path / "people.csv", "-m", "mixed", "-k", 2, "--seed", 1, "--n-init", 2
    )
    assert code == 0
    assert len(out.splitlines()) == 121
    assert "gaussian: 'height', 'weight'; bernoulli: 'smokes'; categorical: 'job'; poisson: 'visits'" in err
    other = run("predict", tmp_path / "people.csv", "-m", "mixed", "-k", 2, "--kinds", "visits=normal")
    assert other[0] == 2
    assert "'normal' is not one of" in other[2]
    code, _, err = run("predict", tmp_path / "people.csv", "-k", 2, "--kinds", "visits=poisson")
    assert code == 2
    assert "--kinds goes with --model mixed" in err


def test_a_sample_without_its_model_is_recognised():
    frame, _ = people(60)
    em = mx.fit_em(Mixed(2, **BLOCKS), frame, random_seed=1, n_init=2)
    fitted = given(em.to_datatree())
    assert fitted.spec.blocks == em.spec.blocks
    assert fitted.features == em.features
    r = mx.responsibilities(fitted.spec, frame, fitted.params)["responsibilities"]
    np.testing.assert_allclose(r, mx.responsibilities(em.spec, frame, em.params)["responsibilities"])
