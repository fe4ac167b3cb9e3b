"""Conditions on the parameters of a log density: PyTensor's checks, and how they work on JAX.

If a check of one of PyMC's distributions fails, the density is minus infinity, here
as in PyMC. Other checks (such as ``Assert`` in a user's own model) raise in PyMC;
XLA cannot raise, so the whole density is minus infinity.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.utils import CheckParameterValue, local_remove_check_parameter
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import in2out
from pytensor.graph.traversal import apply_ancestors
from pytensor.raise_op import CheckAndRaise

__all__ = ["checks_of", "guarded", "holds", "log_jacobian_of", "terms_of"]


def terms_of(model: pm.Model) -> list[Any]:
    """Log densities of free variables, observed variables and potentials, with PyMC's checks."""
    terms = model.logp(jacobian=False, sum=False)
    if model.check_bounds:
        return list(terms)
    graph = FunctionGraph(outputs=list(terms), clone=True, copy_inputs=False)
    in2out(local_remove_check_parameter).rewrite(graph)
    return list(graph.outputs)


def log_jacobian_of(model: pm.Model) -> list[Any]:
    """Log Jacobians of the free variables that are transformed."""
    transformed = {rv: t for rv, t in model.rvs_to_transforms.items() if t is not None}
    own = [t.log_jac_det(model.rvs_to_values[rv], *rv.owner.inputs) for rv, t in transformed.items()]
    return list(model.replace_rvs_by_values(own))


def checks_of(terms: Sequence[Any]) -> list[Apply]:
    """Checks in the graph of some terms."""
    return [node for node in apply_ancestors(terms) if isinstance(node.op, CheckAndRaise)]


def holds(check: Apply) -> Any:
    """Symbolic truth value of a check."""
    return pt.all([pt.all(condition) for condition in check.inputs[1:]])


def guarded(density: Any, terms: Sequence[Any]) -> Any:
    """Make a density minus infinity where a check of its terms fails that PyMC would raise."""
    raising = [
        check
        for check in checks_of(terms)
        if not (isinstance(check.op, CheckParameterValue) and check.op.can_be_replaced_by_ninf)
    ]
    return pt.switch(pt.all([holds(check) for check in raising]), density, -np.inf) if raising else density
