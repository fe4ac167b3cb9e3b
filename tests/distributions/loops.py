"""Run by test_steps with NUMBA_DISABLE_JIT=1: the loops, as Python, against the graphs of their steps."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.graph.traversal import apply_ancestors

from mixtures import BernoulliMixture, CategoricalMixture, GaussianMixture, PoissonMixture
from mixtures.distributions import transforms as t
from mixtures.distributions.marginal import are_weights
from mixtures.distributions.numba_steps import LOOPS
from mixtures.distributions.poisson import CountRowsSlopes
from mixtures.distributions.simplexes import StickBreaking
from mixtures.distributions.steps import Slopes, Step

PURE = Mode("py", "fast_compile")

rng = np.random.default_rng(1)
K, D, n = 3, 4, 9
X = rng.normal(size=(n, D))
X[2, 1], X[4, 0] = np.inf, np.nan
B = rng.integers(0, 2, size=(n, D)).astype(float)
B[3, 2], B[5, 1] = 2, np.nan
alpha = np.array([0.5, 0.5, 0.0])
mu = rng.normal(size=(K, D))
packed = 0.3 * rng.normal(size=(K, D * (D + 1) // 2))
factor, simplex = t.LogCholesky(D), t.Simplex()
Sigma = factor.backward(pt.constant(packed)).eval(mode=PURE)
chol = np.linalg.cholesky(Sigma)
p = rng.uniform(size=(K, D))
p[0, 0], p[1, 1] = 0, 1
C = rng.poisson(4, size=(n, D)).astype(float)
C[0], C[1, 3], C[2, 1], C[4, 0], C[6, 2] = 0, -1, 0.5, np.nan, np.inf
rate = rng.uniform(0.5, 9, size=(K, D))
rate[0, 0] = 0
levels = rng.dirichlet(np.ones(3), size=(K, D))
levels[0, 0] = [0, 0.5, 0.5]
L = rng.integers(0, 3, size=(n, D)).astype(float)
L[1, 3], L[2, 1], L[4, 0], L[6, 2] = -1, 0.5, np.nan, np.inf
ragged = StickBreaking(np.arange(3) < np.array([[2], [3], [1], [3]]))


def tensors(*values):
    return [pt.as_tensor_variable(v).type.clone(shape=v.shape)() for v in values]


def rows(distribution, X, *theta):
    x, *params = tensors(X, alpha, *theta)
    return [x, *params], pm.logp(distribution(*params), x), [X, alpha, *theta]


def of(function, *values):
    inputs = tensors(*values)
    found = function(*inputs)
    return inputs, sum(v.sum() for v in found) if isinstance(found, tuple) else found, list(values)


def gaussian(**how):
    return lambda alpha, mu, scale: GaussianMixture.dist(alpha, mu, **{how["scale"]: scale}, shape=(n, D))


def possible(distribution, X, *theta):
    """The same of the rows that have a density: a graph has slopes at the others, and a loop none."""
    inputs, density, values = rows(distribution, X, *theta)
    found = pytensor.function(inputs, density, mode=PURE)(*values)
    return rows(distribution, X[np.isfinite(found)], *theta)


of_rows = [
    (gaussian(scale="chol"), X, mu, chol),
    (gaussian(scale="sigma2"), X, mu, rng.uniform(0.5, 2, size=(K, D))),
    (lambda alpha, p: BernoulliMixture.dist(alpha, p, shape=(n, D)), B, p),
    (lambda alpha, rate: PoissonMixture.dist(alpha, rate, shape=(n, D)), C, rate),
    (lambda alpha, p: CategoricalMixture.dist(alpha, p, shape=(n, D)), L, levels),
]
cases = [
    *(rows(*case) for case in of_rows),
    *(possible(*case) for case in of_rows),
    of(
        lambda x: (ragged.backward(x) * np.arange(3)).sum() + ragged.log_jac_det(x).sum(),
        rng.normal(size=(K, 5)),
    ),
    of(t.whitened, chol, rng.normal(size=(K, D, 2))),
    of(t.whitened, chol[0], rng.normal(size=(D, D))),
    of(lambda x: (factor.backward(x) * np.arange(D)).sum() + factor.log_jac_det(x).sum(), packed),
    of(lambda x: factor.backward(x), packed[0]),
    of(factor.forward, Sigma),
    of(lambda x: (simplex.backward(x) * np.arange(K)).sum() + simplex.log_jac_det(x), rng.normal(size=K - 1)),
    of(simplex.log_jac_det, np.zeros(0)),
    of(are_weights, alpha),
    of(are_weights, 2 * alpha),
    of(are_weights, alpha - np.array([0, 0.1, -0.1])),
    of(are_weights, np.array([-0.5, 0.5, 1.0])),
    of(are_weights, np.array([np.nan, 0.5, 0.5])),
    of(t.has_positive_diagonal, chol),
    of(t.has_positive_diagonal, -chol),
    of(t.has_positive_diagonal, np.nan * chol),
]
seen, compared = set(), set()
for inputs, output, values in cases:
    outputs = [output]
    has_slopes = not any(isinstance(node.op, t.PackedFactor) for node in apply_ancestors([output]))
    if output.dtype.startswith("float") and has_slopes:
        known = pt.constant(rng.normal(size=output.type.shape))
        outputs += pt.grad(None, inputs, known_grads={output: known}, disconnected_inputs="ignore")
    nodes = [node for node in apply_ancestors(outputs) if isinstance(node.op, (Step, Slopes))]
    assert nodes
    given = [v for node in nodes for v in node.inputs]
    wanted = [v for node in nodes for v in node.outputs]
    graph = pytensor.function(inputs, [*given, *wanted], mode=PURE, on_unused_input="ignore")
    computed = graph(*values)
    arguments, results = computed[: len(given)], computed[len(given) :]
    with np.errstate(all="ignore"):
        for node in nodes:
            kind = type(node.op)
            seen.add(kind)
            own, arguments = arguments[: len(node.inputs)], arguments[len(node.inputs) :]
            expected, results = results[: len(node.outputs)], results[len(node.outputs) :]
            found = LOOPS[kind](*own)
            found = found if isinstance(found, tuple) else (found,)
            usual = issubclass(kind, Step) or not any(np.isnan(a).any() or np.isinf(a).any() for a in own)
            if kind is CountRowsSlopes:  # counts do not vary: the loop has no slopes by them
                assert not found[0].any()
                expected[0] = found[0]
            for a, b in zip(found, expected, strict=True):
                assert np.shape(a) == np.shape(b), (kind, np.shape(a), np.shape(b))
                if usual:
                    compared.add(kind)
                    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13, err_msg=kind.__name__)
assert set(LOOPS) == seen, set(LOOPS) - seen
assert set(LOOPS) == compared, set(LOOPS) - compared
