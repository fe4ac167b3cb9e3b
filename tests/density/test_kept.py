"""Programs that are kept on disk: the same numbers as without, for whatever data, and nothing else read."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import all_specs, make_rows, spec_id

import mixtures as mx
from mixtures.data.reading import as_data
from mixtures.density import kept as keeping
from mixtures.density import store as storing
from mixtures.density.compiled import CompiledModel
from mixtures.density.identity import key_of
from mixtures.density.kept import KeptModel, Outline, kept_or_built, kept_text
from mixtures.density.recipes import named_arrays, recipes_of, twin_of
from mixtures.density.store import DESCRIPTION, Store, cache_folder, clear, stored_models
from mixtures.distributions.declare import declare
from mixtures.em.estep import e_step
from mixtures.families.priors import Prior
from mixtures.families.registry import resolve
from mixtures.posterior.target import mixture_target

pytestmark = pytest.mark.filterwarnings("ignore:.*not .*identified")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache of its own, in place of the one that is turned off for all tests."""
    monkeypatch.setenv("MIXTURES_CACHE", str(tmp_path / "cache"))
    storing._note.cache_clear()
    return tmp_path / "cache"


def given(spec, kind, seed):
    """Rows of one shape, with what else there is to say about them: other numbers for every seed."""
    X, z = make_rows(spec, 40, seed=seed)
    if kind == "missing":
        X = X.copy()
        X[seed::7, seed] = np.nan
        return {"X": X, "missing": "integrate"}
    if kind == "labels":
        return {"X": X, "labels": np.where(np.arange(len(X)) % 3 == seed, z, -1)}
    if kind == "weights":
        return {"X": X, "weights": np.random.default_rng(seed).uniform(0.5, 2, len(X))}
    return {"X": X}


KINDS = ("plain", "weights", "labels", "missing")
BRIEFLY = {
    "BMM": "missing",
    "LCA": "labels",
    "PMM": "weights",
}
"""What is tried in every run; the other cases are ``long``."""

CASES = [
    pytest.param(spec, kind, marks=() if BRIEFLY.get(spec_id(spec)) == kind else pytest.mark.long)
    for spec in all_specs(2)
    for kind in KINDS
    if kind == "plain" or getattr(spec, "covariance_type", "full") == "full"
]


def density(compiled, x):
    """What takes the arrays: the density and its slopes, and coordinates of parameters and back."""
    params = {name: value[0] for name, value in compiled.constrain(x[:1]).items()}
    back = compiled.unconstrain(params)
    return [*compiled.value_and_grad(x[0], jacobian=True), *params.values(), back]


def answers(compiled, x):
    """All that is asked of a log density."""
    params = compiled.constrain(x)
    return [
        *density(compiled, x),
        compiled.hessian(x[0], exact=True),
        compiled.log_densities(x),
        *compiled.row_log_likelihoods(x).values(),
        *compiled.log_priors(x).values(),
        *params.values(),
        *compiled.constrain_slopes(x[0]).values(),
        compiled.unconstrain_draws({name: value[None] for name, value in params.items()}),
        compiled.units(x[0]),
    ]


def same(one, two, **tolerance):
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, **({"rtol": 0, "atol": 0} | tolerance))


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "kind"), CASES, ids=lambda x: x if isinstance(x, str) else spec_id(x))
def test_other_data_take_the_programs_and_nothing_of_the_first(spec, kind, folder):
    asked = answers if (type(spec), kind) == (mx.BMM, "plain") else density
    first, other = (mixture_target(spec, **given(spec, kind, seed)) for seed in (0, 1))
    if getattr(spec, "covariance_type", "") == "tied_spherical":  # its prior's scale is a single number
        other = mixture_target(first.spec, **given(spec, kind, 1))
    assert key_of(first.spec, first.data) == key_of(other.spec, other.data)
    cold = first.compiled
    assert isinstance(cold, KeptModel)
    x = np.random.default_rng(2).normal(size=(3, cold.size)) / 2
    before = asked(cold, x)
    assert not cold.from_cache
    kept = other.compiled
    told = asked(kept, x)
    assert kept.from_cache
    assert kept._known is None, "the model was declared although all programs were there"
    assert told[0] != before[0]
    plain = CompiledModel(declare(other.spec, other.data))
    same(told, asked(plain, x), rtol=1e-12, atol=1e-12)
    params = {name: value[0] for name, value in kept.constrain(x[:1]).items()}
    by_numpy = e_step(other.spec, other.data, params).log_likelihood + float(other.spec.log_prior(params))
    np.testing.assert_allclose(kept.value_and_grad(x[0])[0], by_numpy, rtol=1e-10)
    assert kept.facts == plain.facts
    assert kept.coords == plain.coords
    for name, rows in plain.observed().items():
        np.testing.assert_array_equal(kept.observed()[name], rows)
        assert kept.observed()[name].dtype == rows.dtype


def test_a_column_with_one_rare_value_is_not_refused_for_its_other_rows(folder):
    X = np.column_stack([np.random.default_rng(0).normal(size=40), np.arange(40) == 7])
    spec = mx.GMM(1, covariance_type="diag")
    for seed in range(4):  # rows drawn again leave the value out more often than not
        data = as_data(np.roll(X, seed, axis=0))
        twin = twin_of(resolve(spec, data), data)
        assert (np.ptp(twin[1].values, axis=0) > 0).all()
    few = np.array([[0.1], [3.2]])
    given = replace(spec, prior=mx.priors.NormalInverseGamma([0.0], 0.01, 4.0, [1.0]))
    assert np.isfinite(mx.fit_map(given, few, n_init=2, random_seed=0).log_posterior)


def test_another_prior_takes_the_programs_and_nothing_of_the_first(folder):
    X, _ = make_rows(mx.GMM(2), 40)
    other = mx.priors.NormalInverseWishart([5.0, -3.0], 0.01, 4.0, [[2.0, 0.3], [0.3, 1.5]])
    first, second = (mixture_target(mx.GMM(2, prior=prior), X) for prior in ("default", other))
    x = np.zeros(first.compiled.size)
    before = first.compiled.value_and_grad(x)
    kept, plain = second.compiled, CompiledModel(declare(second.spec, second.data))
    same(kept.value_and_grad(x), plain.value_and_grad(x), rtol=1e-13)
    assert kept.from_cache
    assert kept.value_and_grad(x)[0] != before[0]


ONE = mx.GMM(2)
TABLE = given(ONE, "plain", 0)["X"]


def key(spec=ONE, **changes):
    target = mixture_target(spec, **({"X": TABLE} | changes))
    return key_of(target.spec, target.data)


def prior(**changes):
    known = {"mean": [0.0, 1.5], "kappa": 0.01, "nu": 4.0, "Psi": [[2.0, 0.5], [0.5, 2.0]]}
    return mx.GMM(2, prior=mx.priors.NormalInverseWishart(**known | changes))


def holes(*rows, column=0):
    X = TABLE.copy()
    X[list(rows), column] = np.nan
    return {"X": X, "missing": "integrate"}


MORE_PATTERNS = {**holes(1), "X": np.where(TABLE[2, 1] == TABLE, np.nan, holes(1)["X"])}

ALTERNATE = np.arange(40) % 2


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({}, {"spec": mx.GMM(3)}),
        ({}, {"spec": mx.GMM(2, covariance_type="tied")}),
        ({}, {"spec": mx.GMM(2, weight_concentration=2.0)}),
        ({}, {"spec": mx.GMM(2, prior=None)}),
        ({}, {"X": TABLE[1:]}),
        ({}, {"X": TABLE[:, :1]}),
        ({}, {"weights": np.ones(40)}),
        ({}, {"labels": ALTERNATE}),
        ({}, holes(1)),
        (holes(1), MORE_PATTERNS),
        ({"spec": prior()}, {"spec": prior(kappa=0.02)}),
        ({"spec": prior()}, {"spec": prior(nu=5.0)}),
        ({"spec": prior()}, {"spec": prior(mean=[1.0, 1.5])}),
        ({"spec": prior()}, {"spec": prior(Psi=[[2.0, 0.0], [0.0, 2.0]])}),
    ],
    ids=[
        *("clusters", "covariance", "concentration", "no prior", "rows", "columns", "weights", "labels"),
        *("missing", "more patterns", "kappa", "nu", "a one", "a zero"),
    ],
)
def test_what_is_no_argument_is_in_the_key(one, two):
    assert None not in (key(**one), key(**two))
    assert key(**one) != key(**two)


def test_arrays_that_are_equal_are_in_the_key(folder):
    """PyTensor makes one constant of them, and its program must not serve where they differ."""
    X = (np.random.default_rng(0).random((40, 3)) < 0.4).astype(float)
    beta = mx.priors.Beta
    specs = [mx.BMM(2, prior=beta(a, b)) for a, b in (([2.0] * 3, [2.0] * 3), ([2.0] * 3, [3.0] * 3))]
    equal, unequal = (mixture_target(spec, X) for spec in specs)
    assert key_of(equal.spec, equal.data) != key_of(unequal.spec, unequal.data)
    for target in (equal, unequal):
        plain, x = CompiledModel(declare(target.spec, target.data)), np.linspace(-1, 1, 7)
        assert isinstance(target.compiled, KeptModel)
        same(target.compiled.value_and_grad(x), plain.value_and_grad(x), rtol=1e-13)


def test_numbers_in_arrays_are_not_in_the_key():
    assert key() == key(X=TABLE + 1)
    assert key(prior()) == key(prior(mean=[0.0, 2.5]))
    assert key(weights=np.full(40, 2.0)) == key(weights=np.full(40, 3.0))
    assert key(**holes(1)) == key(**holes(2, 3, column=1))
    assert key(labels=ALTERNATE) == key(labels=np.where(TABLE[:, 0] > 0, -1, 1))


def test_a_changed_library_or_source_or_setting_is_another_key(monkeypatch):
    before = key()
    monkeypatch.setattr("mixtures.density.identity._versions", lambda: ("jax 0",))
    changed = key()
    monkeypatch.setattr("mixtures.density.identity._source", lambda: "other")
    also = key()
    monkeypatch.setenv("PYTENSOR_FLAGS", "optimizer=fast_compile,base_compiledir=/somewhere")
    assert len({before, changed, also, key()}) == 4
    monkeypatch.setenv("PYTENSOR_FLAGS", "floatX=float32")
    assert key() is None


class _Own(Prior):
    pass


def test_what_is_not_known_is_not_kept(folder):
    target = mixture_target(ONE, TABLE)
    spec = replace(target.spec)
    object.__setattr__(spec, "prior", _Own())
    assert key_of(spec, target.data) is None
    built = object()
    assert kept_or_built(spec, target.data, lambda *_: built) is built
    assert not folder.exists()


def test_an_array_without_a_name_is_noticed():
    target = mixture_target(ONE, TABLE)
    twin = twin_of(target.spec, target.data)
    named, named_twin = named_arrays(target.spec, target.data), named_arrays(*twin)
    values, other = named["values"], named_twin["values"]
    assert not np.array_equal(values, other)
    assert [r.name for r in recipes_of([values], [other], named, named_twin)] == ["values"]
    assert recipes_of([values**2], [other**2], named, named_twin) is None  # of the data, without a name
    assert recipes_of([values], [values], named, named_twin)[0].name == ""  # the same for all data
    (found,) = recipes_of([values[:, None]], [other[:, None]], named, named_twin)
    np.testing.assert_array_equal(found.make(named), values[:, None])


def test_a_graph_that_depends_on_the_data_is_not_kept(folder, monkeypatch):
    """A constant that differs from data to data, though no array does."""
    target = mixture_target(ONE, TABLE)

    def build(spec, data):
        model = declare(spec, data)
        with model:
            import pymc as pm

            pm.Potential("own", model["mu"].sum() * float(data.values[0, 0]))
        return CompiledModel(model)

    for _ in range(2):
        assert isinstance(kept_or_built(target.spec, target.data, build), CompiledModel)
    assert [path.name for path in folder.glob("*/*")] == ["model.program"]


# Files


@pytest.fixture
def stored(folder):
    """A cache that holds a model, with its folder and what its gradient is at zero."""
    target = mixture_target(ONE, TABLE)
    told = target.compiled.value_and_grad(np.zeros(11))
    (model,) = folder.iterdir()
    return model, told


def again():
    compiled = mixture_target(ONE, TABLE).compiled
    return compiled, compiled.value_and_grad(np.zeros(11))


DAMAGE = {
    "empty": lambda b: b"",
    "short": lambda b: b[:-1],
    "flipped": lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:],
    "foreign": lambda b: b"PK\x03\x04" + b,
    "no header": lambda b: b.split(b"\n")[0] + b"\n\xff\xfe",
    "of another model": lambda b: b.replace(b'"key": "', b'"key": "0', 1),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_is_not_read(how, tmp_path):
    storing._note.cache_clear()
    store = Store(tmp_path, "a" * 64)
    store.write("gradient", b"a program, for all that the store knows")
    assert store.read("gradient") == b"a program, for all that the store knows"
    path = tmp_path / store.key / "gradient.program"
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    with pytest.warns(mx.PerformanceWarning, match="damaged or foreign") as told:
        assert store.read("gradient") is None
    assert str(path) in str(told[0].message)
    assert "mixtures cache --clear" in str(told[0].message)
    assert store.read("gradient") is None  # a second note would be an error
    assert Store(tmp_path, "a" * 64).read("hessian") is None  # which is not there


@pytest.mark.parametrize("name", ["gradient", "model"])
def test_a_damaged_file_is_written_again(name, stored):
    folder, told = stored
    path = folder / f"{name}.program"
    whole = path.read_bytes()
    path.write_bytes(DAMAGE["flipped"](whole))
    with pytest.warns(mx.PerformanceWarning, match="damaged or foreign"):
        compiled, found = again()
    same(found, told)
    assert compiled._known is not None
    assert path.read_bytes() == whole
    assert again()[0].from_cache


@pytest.mark.parametrize("content", [b"{}", b"[]", b"1", b"\xff", b'{"facts": {}}'], ids=repr)
def test_an_outline_that_is_none_is_ignored(content, tmp_path):
    storing._note.cache_clear()
    with pytest.warns(mx.PerformanceWarning, match="damaged or foreign"):
        assert keeping._read(Store(tmp_path, "a" * 64), content) is None


def test_a_program_that_is_none_is_ignored(stored):
    folder, told = stored
    Store(folder.parent, folder.name).write("gradient", b"no program")
    with pytest.warns(mx.PerformanceWarning, match="damaged or foreign"):
        same(again()[1], told)


def test_nothing_is_written_or_read_where_it_is_off(folder, monkeypatch):
    for off in ("", "off", " OFF "):
        monkeypatch.setenv("MIXTURES_CACHE", off)
        assert cache_folder() is None
    assert isinstance(mixture_target(ONE, TABLE).compiled, CompiledModel)
    assert not folder.exists()


def test_tests_never_use_the_users_cache():
    assert cache_folder() is None


def test_a_folder_that_cannot_be_written_is_noted_once(tmp_path, monkeypatch):
    storing._note.cache_clear()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIXTURES_CACHE", str(tmp_path / "file"))
    with pytest.warns(mx.PerformanceWarning, match="MIXTURES_CACHE=off"):
        assert isinstance(mixture_target(ONE, TABLE).compiled, CompiledModel)
    assert isinstance(mixture_target(ONE, TABLE).compiled, CompiledModel)  # a second note would be an error


def test_the_models_not_used_for_longest_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(storing, "LARGEST", 5000)
    keys = [c * 64 for c in "abcd"]
    for i, name in enumerate(keys):
        Store(tmp_path, name).write("model", bytes(2000))
        os.utime(tmp_path / name, (i, i))
        if i == 1:
            Store(tmp_path, keys[0]).read("model")  # now the first was used last
    (tmp_path / "of a user").mkdir()
    found = [model.key for model in stored_models(tmp_path)]
    assert set(found) == {keys[0], keys[3]}
    assert found[0] == keys[0]
    assert clear(tmp_path) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["of a user"]


def test_several_writers_leave_a_whole_file(tmp_path):
    store, payloads = Store(tmp_path, "a" * 64), [bytes([i]) * 200_000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        written = [pool.submit(store.write, "gradient", payload) for payload in payloads]
        while not all(each.done() for each in written):
            assert store.read("gradient") in [None, *payloads]
            time.sleep(0.001)
    assert [each.exception() for each in written] == [None] * 8
    assert store.read("gradient") in payloads
    assert [path.name for path in (tmp_path / store.key).iterdir()] == ["gradient.program"]


def test_an_outline_is_read_as_it_was_written(stored):
    folder, _ = stored
    content = Store(folder.parent, folder.name).read("model")
    outline = Outline.read(content)
    assert outline.written() == content
    assert json.loads(content)["model"].startswith("GMM")
    assert outline.facts.free == ("alpha", "Sigma", "mu")


@pytest.mark.long
@pytest.mark.slow
def test_mixed_columns_are_kept_and_their_places_are_in_the_key(folder):
    """Their prior has a prior of every block in it; columns of one name may be elsewhere."""

    def table(seed, *, names=("x", "y", "one", "count", "level")):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(2, 40))
        columns = {"x": x, "y": y + 2, "one": rng.random(40) < 0.5, "count": rng.poisson(3.0, 40) + 0.0}
        columns["level"] = np.arange(40) % 3
        columns["y"][seed::9] = columns["count"][seed::7] = np.nan
        return pd.DataFrame({name: columns[name].astype(float) for name in names})

    spec = mx.Mixed(2, gaussian=["x", "y"], bernoulli=["one"], categorical=["level"], poisson=["count"])
    cold, other = (mixture_target(spec, table(seed), missing="integrate") for seed in (0, 1))
    assert not cold.compiled.from_cache
    x = np.random.default_rng(2).normal(size=(1, cold.compiled.size)) / 2
    before = density(cold.compiled, x)
    told = density(other.compiled, x)
    assert other.compiled.from_cache
    assert told[0] != before[0]
    same(told, density(CompiledModel(declare(other.spec, other.data)), x), rtol=1e-12, atol=1e-12)
    moved = mixture_target(spec, table(0, names=("x", "count", "one", "level", "y")), missing="integrate")
    assert key_of(moved.spec, moved.data) not in (None, key_of(cold.spec, cold.data))


def test_every_block_of_mixed_columns_has_its_arrays():
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.normal(size=(40, 2)), rng.random(40) < 0.5, rng.poisson(3.0, 40), np.arange(40) % 3]
    )
    X[::9, 0] = np.nan
    spec = mx.Mixed(2, gaussian=[0, 1], bernoulli=[2], poisson=[3], categorical=[4])
    target = mixture_target(spec, X, missing="integrate")
    found = named_arrays(target.spec, target.data)
    for block in target.spec.family.parts:
        assert found[f"{block.kind}: location"].shape == (block.width,)
    assert key_of(target.spec, target.data) is not None


def test_equal_arrays_are_told_wherever_they_are():
    beta, others = mx.priors.Beta([2.0, 3.0], [3.0, 2.0]), ([2.0, 3.0], [2.0, 4.0])
    X = np.zeros((4, 4)) + np.eye(4)
    keys = set()
    for rate in others:
        prior = mx.priors.Blocks(bernoulli=beta, poisson=mx.priors.Gamma(rate, [5.0, 6.0]))
        target = mixture_target(mx.Mixed(2, bernoulli=[0, 1], poisson=[2, 3], prior=prior), X)
        keys.add(key_of(target.spec, target.data))
    assert len(keys) == 2


def test_a_text_is_kept_beside_the_programs_of_its_model_alone(folder):
    targets = [mixture_target(mx.BMM(k), make_rows(mx.BMM(2), 40)[0]) for k in (2, 3)]
    there, not_there = [(target.spec, target.data) for target in targets]
    Store(folder, key_of(*there)).write(DESCRIPTION, b"{}")
    made = iter("abcd")
    assert [kept_text(*there, "graph", lambda: next(made)) for _ in range(2)] == ["a", "a"]
    assert [kept_text(*not_there, "graph", lambda: next(made)) for _ in range(2)] == ["b", "c"]


# Processes


SCRIPT = """
import json, sys
import numpy as np
import mixtures as mx
answers = []
for seed in map(int, sys.argv[1:]):
    X = np.random.default_rng(seed).poisson(2 + 7 * (np.arange(60) % 2)[:, None], size=(60, 2))
    cc = mx.crosscheck(mx.PMM(2), X, n_init=2, draws=50, tune=50, chains=2, random_seed=1, progressbar=False)
    found = [cc.table.to_numpy().tolist(), cc.posterior["log_likelihood"]["x"].values.sum().item()]
    answers.append([found, sorted({"pymc", "pytensor", "blackjax"} & set(sys.modules)), cc.from_cache])
print(json.dumps(answers))
"""


def crosschecked(cache, *seeds):
    """Crosscheck in a process of its own: the figures, what was loaded, whether programs were kept."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, seeds)],
        env=os.environ | {"MIXTURES_CACHE": str(cache)},
        cwd=Path(mx.__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_warm_process_loads_no_pymc_and_finds_the_same(tmp_path):
    ((cold, loaded, kept),) = crosschecked(tmp_path, 0)
    assert "pymc" in loaded
    assert not kept
    (warm, *first), (other, *second) = crosschecked(tmp_path, 0, 1)
    assert first == second == [[], True]
    assert warm == cold
    ((without, _, kept),) = crosschecked("off", 1)
    assert not kept
    np.testing.assert_allclose(other[0], without[0], rtol=1e-6)


def test_a_second_model_compiles_nothing_in_the_process_that_wrote_the_programs(folder):
    """JAX compiles a program again for arrays that are placed otherwise, of the same shapes."""
    for seed in (0, 1):
        found = mixture_target(mx.PMM(2), **given(mx.PMM(2), "plain", seed)).compiled
        assert isinstance(found, KeptModel)
        found.value_and_grad(np.zeros(found.size))
    assert found.program("gradient")[0]._cache_size() == 1
