"""What a sample's tree records of samplers about modes: what was spent, and the group of modes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mixtures.clusters.rules import Anchors, match_params
from mixtures.families.mixture import Mixture
from mixtures.posterior.independent import Independent
from mixtures.posterior.split_hmc import SplitHMC
from mixtures.trees import group_of

__all__ = ["figures_of", "modes_of", "spent_by"]


def figures_of(drawn: Independent) -> dict[str, Any]:
    """Attributes of the tree of independent draws."""
    return {
        "pareto_k": drawn.pareto_k,
        "acceptance": drawn.acceptance,
        "n_proposals": drawn.n_proposals,
        "log_evidence": drawn.log_evidence,
        "log_evidence_se": drawn.log_evidence_se,
    }


def spent_by(drawn: SplitHMC) -> dict[str, Any]:
    """Attributes of the tree of draws by split HMC."""
    return {"tune": drawn.tune, "n_gradients": drawn.n_gradients, "n_densities": drawn.n_densities}


def modes_of(
    drawn: Independent,
    spec: Mixture,
    pivot: Mapping[str, Any],
    coords: Mapping[str, Sequence[Any]],
    anchored: Anchors = (),
) -> xr.DataTree:
    """Group with the mass of every mode and where it is, under the labels of the sample."""
    params = [
        spec.relabel(p.params, match_params(spec.family, p.params, pivot, anchored)) for p in drawn.peaks
    ]
    evidence = np.array([peak.log_evidence for peak in drawn.peaks])
    share = np.exp(evidence - evidence.max())
    variables = {
        "mass": drawn.mass,
        "mass_se": drawn.mass_se,
        "mass_laplace": share / share.sum(),
        "log_density": np.array([peak.log_density for peak in drawn.peaks]),
        **{name: np.stack([one[name] for one in params]) for name in spec.dims},
    }
    return group_of(variables, spec.dims, coords, ("mode",))
