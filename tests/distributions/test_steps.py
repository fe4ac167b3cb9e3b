"""Steps of a log density: numba's loops compute what the graphs define, and graphs for numba are small."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytensor
import pytest
from conftest import long
from pytensor.graph.fg import FunctionGraph

from mixtures import BMM, GMM, LCA, PMM, datasets, declare
from mixtures.density.compiled import CompiledModel
from mixtures.distributions.steps import Loop, Slopes, Step

MODELS = {
    "full": (GMM(2), datasets.faithful),
    "tied": (GMM(2, covariance_type="tied"), datasets.faithful),
    "diag": (GMM(2, covariance_type="diag"), datasets.faithful),
    "bernoulli": (BMM(2), lambda: datasets.coins().astype(int)),
    "poisson": (PMM(2), lambda: np.random.default_rng(0).poisson([[9, 3, 0.5], [4, 3, 2]] * 40)),
    "categorical": (LCA(2), lambda: np.random.default_rng(0).integers(0, [2, 4, 3], size=(40, 3))),
}

MOST_OPERATIONS = 80
"""In the density and its gradient; a graph without steps has twice as many."""


def test_loops_compute_what_the_graphs_define():
    """Without compilation, of inner graphs in C too: what is compared are the formulas."""
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("loops.py"))],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTENSOR_FLAGS": f"{flags},cxx="},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(("spec", "data"), MODELS.values(), ids=MODELS.keys())
def test_numba_is_given_loops_and_few_operations(spec, data):
    model = declare(spec, data())
    graph = FunctionGraph(model.value_vars, [model.logp(), model.dlogp()], clone=True)
    pytensor.compile.mode.NUMBA.optimizer.rewrite(graph)
    kinds = [type(node.op) for node in graph.apply_nodes]
    assert Loop in kinds
    assert not {Step, Slopes} & {base for kind in kinds for base in kind.__mro__}
    assert len(kinds) < MOST_OPERATIONS


@pytest.mark.parametrize("name", ["bernoulli", *long("full", "poisson", "categorical")])
def test_density_and_gradient_in_numba_are_those_in_jax(name):
    spec, data = MODELS[name]
    model = declare(spec, data())
    compiled = CompiledModel(model)
    x = compiled.initial_point(1) + 0.1 * np.random.default_rng(1).normal(size=compiled.size)
    ends = np.cumsum([int(np.prod(shape)) for shape in compiled.value_shapes])[:-1]
    parts = [p.reshape(s) for p, s in zip(np.split(x, ends), compiled.value_shapes, strict=True)]
    value, gradient = pytensor.function(model.value_vars, [model.logp(), model.dlogp()], mode="NUMBA")(*parts)
    expected, slope = compiled.value_and_grad(x, jacobian=True)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-8, atol=1e-8)
