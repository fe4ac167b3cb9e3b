"""Every result prints on a page, with what matters on it, however large it is."""

import inspect
import re
import warnings
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from unicodedata import category

import numpy as np
import pandas as pd
import pytest

import mixtures as mx
from mixtures import errors
from mixtures.brief import (
    CHARACTERS,
    HTML_CHARACTERS,
    LINES,
    WIDTH,
    array_words,
    on_a_page,
    table_head,
    table_html,
)
from mixtures.diagnostics.switching import count_switches
from mixtures.entries import entry_table
from mixtures.results.evidence import Evidence
from mixtures.results.value import Value
from mixtures.saving.save import RESULTS

FAITHFUL = mx.datasets.faithful()
WIDE = np.random.default_rng(0).normal(size=(100, 64))
SHORT = {"draws": 60, "tune": 60, "chains": 2, "random_seed": 1, "progressbar": False}
ROOT = Path(mx.__file__).parent


@pytest.fixture(scope="module")
def results():
    """One result of every kind."""
    cc = mx.crosscheck(mx.GMM(2), FAITHFUL, n_init=2, uncertainty=["information", "nuts"], **SHORT)
    found = {
        "EMFit": cc.em,
        "Restarts": cc.em.restarts,
        "MAPFit": cc.mode,
        "Crosscheck": cc,
        "Uncertainty": cc.uncertainty,
        "Verdict": cc.convergence,
        "Selection": mx.select(mx.GMM(2), FAITHFUL, range(1, 4), n_init=2, random_seed=1, progressbar=False),
        "Switching": mx.switching(cc.posterior),
        "OccupiedClusters": mx.occupied_clusters(cc.posterior, cc.em.spec, FAITHFUL, random_seed=1),
        "Report": mx.report(cc, progressbar=False),
        "ClusterProfiles": mx.describe(cc, FAITHFUL),
        "BivariateResiduals": mx.bivariate_residuals(
            mx.fit_em(mx.BMM(1), FAITHFUL > 3, random_seed=1), FAITHFUL > 3
        ),
        "Evidence": Evidence(-1168.08123456, 0.0123456, "bridge", ("doubt it " * 100,) * 30),
    }
    assert found.keys() >= RESULTS.keys() - {"DataTree"}
    return found


def assert_on_a_page(text):
    lines = text.splitlines()
    assert len(lines) <= LINES <= 40
    assert max(map(len, lines)) <= WIDTH <= 100
    assert not {c for c in text if category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}


def enlarged(value):
    """The same kind of result with many long names, notes, starts and rows."""
    name = "\x1b[2J\u202e" + "x" * 500
    grow = {
        tuple: lambda x: x * 1000,
        dict: lambda x: x | {f"{name}{i}": np.ones((5, 5, 5)) for i in range(200)},
        pd.DataFrame: lambda x: pd.concat([x.rename(index=lambda row: f"{row}{name}")] * 100),
        pd.Series: lambda x: pd.concat([x] * 100, ignore_index=True),
        np.ndarray: lambda x: np.tile(x, 1000),
    }
    texts = {"notes": (name * 10,) * 100, "unchecked": (name,) * 100, "rule": name, "title": name * 9}
    texts |= {"method": name, "html": name * 10_000, "found": name}
    changed = {}
    for field in fields(value):
        own = getattr(value, field.name)
        if field.name in texts:
            changed[field.name] = texts[field.name]
        elif field.name == "shares":
            changed["shares"] = {(i, 0): 1e-3 for i in range(1000)}
        elif field.name not in ("fits", "samples", "trees", "collapsed", "dims", "coords", "best"):
            changed[field.name] = grow.get(type(own), lambda x: x)(own)
    return replace(value, **changed)


def test_every_result_is_on_a_page(results):
    for value in results.values():
        for text in (repr(value), str(value)) if type(value).__name__ == "Report" else (repr(value),):
            assert_on_a_page(text)
            assert len(text) > 20
        assert_on_a_page(repr(enlarged(value)))


@pytest.mark.filterwarnings("ignore:EM has not converged")
def test_every_result_is_a_small_value(results):
    """In a notebook too, and however large it is."""
    wide = mx.fit_em(mx.GMM(10, covariance_type="diag"), WIDE, n_init=1, max_iter=3, random_seed=1)
    holes = pd.DataFrame(np.where(np.eye(*WIDE.shape) > 0, np.nan, WIDE))
    every = [
        *results.values(),
        results["Crosscheck"].headline,
        wide,
        wide.restarts,
        mx.describe(wide, WIDE),
        mx.complete(wide, holes),
        count_switches(np.zeros((2, 3, 2), dtype=int)),
    ]
    assert {type(value) for value in every} == set(kinds_of(Value))
    for value in every:
        for shown in (value, enlarged(value)):
            assert len(repr(shown)) <= CHARACTERS <= 2_000
            html = shown._repr_html_()
            assert len(html) <= HTML_CHARACTERS <= 20_000
            assert "<table" in html
            assert not {c for c in html if category(c) in ("Cc", "Cf")} - {"\n"}
        assert isinstance(value.summary(), pd.DataFrame)
        again = deepcopy(value)
        assert again == value
        assert hash(again) == hash(value)
        assert value != enlarged(value)
        assert value != 3
    assert "<script>" not in replace(wide, params={"<script>": np.ones(2)}).summary().pipe(
        lambda table: table_html("", table)
    )


def kinds_of(cls):
    for child in cls.__subclasses__():
        yield child
        yield from kinds_of(child)


@pytest.mark.parametrize("d", [2, 13])
def test_a_table_of_parameters_prints_all_its_columns(results, d):
    columns = results["Crosscheck"].table.columns
    spec, names = mx.GMM(2), [f"feature {i} of the data" for i in range(d)]
    rows = entry_table(
        {name: np.full(shape, 1234.56789) for name, shape in spec.shapes(d).items()},
        spec.dims,
        spec.coords(names),
        "EM",
    ).index
    cc = replace(results["Crosscheck"], table=pd.DataFrame(1234.56789, rows.rename("parameter"), columns))
    with pd.option_context("display.width", 80, "display.max_columns", 0):
        text = str(cc.table)
    heads = {word for line in text.splitlines() if "[" not in line for word in line.split()}
    assert heads >= {"EM", "MAP", "mean", "sd", "2.5%", "97.5%", "r_hat"} | set(columns)
    assert max(map(len, text.splitlines())) <= 80
    assert cc.table.loc[rows[-1], "EM"] == 1234.56789


def test_what_is_on_the_page(results):
    em, cc = results["EMFit"], results["Crosscheck"]
    text = repr(em)
    for word in (
        "EMFit of GMM(n_components=2",
        "converged after",
        "2 of 2 restarts reached the best optimum",
        f"{em.log_posterior:.8g}",
        f"alpha  [{em.params['alpha'][0]:.4g}, {em.params['alpha'][1]:.4g}]",
    ):
        assert word in text
    assert "note: so it is" in repr(replace(em, notes=("so it is",)))
    text = " ".join(repr(cc).split())
    assert "the certificate of agreement holds" in text
    for check in cc.certificate:
        assert f"{check.name}: {check.figure:.4g} (limit {check.tolerance:.4g})" in text
    assert "mu[0, eruptions]" in text
    failed = replace(cc.certificate[0], passed=False, note="look at it")
    text = " ".join(repr(replace(cc, certificate=(failed,))).split())
    assert "does not hold" in text
    assert "fails: look at it" in text
    assert "a maximum" in " ".join(repr(cc.mode).split())
    assert "MAPFit of a model of your own" in repr(replace(cc.mode, spec=None))
    text = repr(results["Selection"])
    assert "Selection: take K = 2 (" in text
    assert f"{results['Selection'].table['bic'][2]:.2f}" in text
    assert "log marginal likelihood -1168.0812, standard error 0.012 (bridge)" in repr(results["Evidence"])
    assert "and 25 more" in repr(results["Evidence"])
    assert "sds differ most" in repr(results["Uncertainty"])
    assert "Report: Gaussian mixture" in repr(results["Report"])
    assert "aligned labels" in repr(results["Switching"])


def test_words_that_are_shown_elsewhere_stay(results):
    assert str(results["Restarts"]) == "2 of 2 restarts reached the best optimum"
    assert str(results["Verdict"]).startswith(("converged", "not to be trusted: "))
    assert "label switches within chains" in str(results["Switching"])


@pytest.mark.parametrize(
    "spec", [spec for kind in (mx.GMM, mx.BMM) for spec in kind.variants()], ids=lambda spec: repr(spec)[:60]
)
def test_a_model_of_many_columns_prints_in_a_few_lines(spec):
    rows = np.random.default_rng(0).normal(size=(300, 64))
    resolved = mx.resolve(spec, rows > 0 if isinstance(spec, mx.BMM) else rows)
    text = repr(resolved)
    assert len(text) < 300
    assert "(64,) from" in text
    assert repr(resolved.prior) in text
    assert repr(spec).startswith(f"{type(spec).__name__}(n_components=1, prior='default', ")


def test_priors_print_what_they_were_given():
    assert repr(mx.priors.Beta(2, [1.5, 1 / 3])) == "Beta(alpha=2, beta=[1.5, 0.3333])"
    prior = mx.priors.NormalInverseWishart([0.0, 5.0], 0.01, 4, np.eye(2))
    assert repr(prior) == "NormalInverseWishart(mean=[0, 5], kappa=0.01, nu=4, Psi=[[1, 0], [0, 1]])"


def test_pages_are_cut_and_say_so():
    text = on_a_page("\n".join(f"line {i}" for i in range(100)), "x" * 1000)
    assert len(text.splitlines()) == LINES
    assert text.endswith("more lines")
    assert on_a_page("", "a", "b\n") == "a\nb"
    assert on_a_page(f"  {'word ' * 40}").startswith("  word word")
    wide = table_head(pd.DataFrame(np.ones((50, 60)), columns=[f"column{j}" for j in range(60)]))
    assert_on_a_page(on_a_page(wide))
    assert "36 more rows; columns column" in wide
    assert wide.endswith("see .summary()")
    assert array_words(np.full((20,), np.nan)) == "array (20,) from nan to nan"
    assert array_words(np.empty((0, 3))) == "[]"


@pytest.mark.parametrize("module", [mx, mx.plot], ids=["mixtures", "plot"])
def test_only_public_names_are_listed(module):
    assert dir(module) == sorted(module.__all__)


# What is raised or warned of has a public name


def test_every_exception_and_warning_is_public():
    assert set(errors.__all__) <= set(mx.__all__)
    for name in errors.__all__:
        assert getattr(mx, name) is getattr(errors, name)
        assert inspect.getdoc(getattr(mx, name))
    assert is_dataclass(Evidence)


def test_every_warning_names_one_of_these_classes():
    """Read from the source: a bare ``warn``, or one of Python's own classes, cannot be told apart."""
    names = [name for name in errors.__all__ if issubclass(getattr(errors, name), Warning)]
    calls = [
        (path.name, call)
        for path in ROOT.rglob("*.py")
        for call in re.split(r"(?<!def )\bwarn\((?!message)", path.read_text(encoding="utf-8"))[1:]
    ]
    assert len(calls) >= 4
    for place, call in calls:
        assert any(name in call[:400] for name in names), place


def test_warnings_can_be_told_apart():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", mx.PerformanceWarning)
        warnings.warn("slow", mx.PerformanceWarning, stacklevel=1)
        with pytest.raises(mx.ConvergenceWarning):
            warnings.warn("not there", mx.ConvergenceWarning, stacklevel=1)
