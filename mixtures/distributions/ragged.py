"""Numbers of levels of items, as the probabilities of a user's model tell before anything is compiled."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.compile.ops import ViewOp
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.replace import graph_replace
from pytensor.tensor.basic import Alloc, Join, MakeVector, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.subtensor import AdvancedIncSubtensor, AdvancedSubtensor, IncSubtensor, Subtensor

from mixtures.data.table import Data
from mixtures.families.categorical import codes
from mixtures.types import Array

__all__ = ["check_levels"]

PLAIN = (
    *(Alloc, Join, MakeVector, ScalarFromTensor, TensorFromScalar, ViewOp),
    *(CAReduce, DimShuffle, Elemwise, Reshape, Shape, Shape_i, SpecifyShape),
    *(AdvancedIncSubtensor, AdvancedSubtensor, IncSubtensor, Subtensor),
)
"""Operations that NumPy evaluates; whatever else p is made of has some value, and is 0 nowhere."""


def check_levels(data: Data, p: Any) -> None:
    """Refuse codes for which p (..., K, D, C) has no level, by name; of items of fewer it ends in 0."""
    p = pt.as_tensor_variable(p)
    most = p.type.shape[-1]
    if most is None:
        return
    levels, value = np.full(data.n_features, most), _somewhere(p)
    if value is not None and value.shape[-2] == data.n_features:
        possible = (value != 0).reshape(-1, *value.shape[-2:]).any(axis=0)
        levels = np.where(possible.any(axis=1), most - possible[:, ::-1].argmax(axis=1), most)
    codes(data, levels.tolist())


def _somewhere(p: Variable) -> Array | None:
    """A value of p for some values of what it is made of; None if its zeros are not known."""
    if isinstance(p, Constant):
        return np.asarray(p.data)
    rng, known, made, todo = np.random.default_rng(0), {}, set(), [p]
    while todo:
        x = todo.pop()
        if isinstance(x, Constant) or x in known or x in made:
            continue
        if x.owner is not None and isinstance(x.owner.op, PLAIN):
            made.add(x)
            todo += x.owner.inputs
            continue
        shape = x.type.shape
        if x is p or None in shape:
            return None
        values = rng.uniform(0.1, 0.9, shape) if str(x.type.dtype).startswith("float") else np.zeros(shape)
        known[x] = pt.constant(values.astype(x.type.dtype))
    (found,) = graph_replace([p], known, strict=False)
    return np.asarray(found.eval(mode=Mode(linker="py", optimizer=None)))
