"""What `responsibilities` returns."""

from collections.abc import Sequence
from typing import Self

import pandas as pd
import xarray as xr

from mixtures.arguments import check_names

__all__ = ["Responsibilities"]


class Responsibilities(xr.Dataset):
    """Probabilities of the clusters for every row, as an xarray.Dataset that also makes a data frame.

    Attributes
    ----------
    responsibilities : xarray.DataArray, dims (obs_id, cluster)
        Probability of every cluster; from a sample its mean, with ``lower`` and ``upper``.
    label, label_probability : xarray.DataArray, dims (obs_id,)
        The most probable cluster, and the probability that it is right.
    """

    __slots__ = ()

    def named(self, names: Sequence[str]) -> Self:
        """The same with names for the clusters, in their order, in the coordinate ``cluster_name``.

        Parameters
        ----------
        names : sequence of str
            As many different names as there are clusters, such as ``["short", "long"]``.

        Returns
        -------
        Responsibilities
            A new data set; ``to_frame()`` has the names in place of the numbers.

        Raises
        ------
        InputError
            If the names are not different or not as many as the clusters.

        Examples
        --------
        >>> import mixtures as mx
        >>> X = mx.datasets.faithful()
        >>> r = mx.responsibilities(mx.fit_em(mx.GMM(2), X, random_seed=1), X)
        >>> r.named(["long", "short"]).to_frame()["label"].head(3).to_list()
        ['long', 'short', 'long']
        """
        called = check_names(names, self.sizes["cluster"])
        return self.assign_coords(cluster_name=("cluster", list(called)))

    def to_frame(self) -> pd.DataFrame:
        """One row per row of the data, under its label.

        Returns
        -------
        pandas.DataFrame
            ``label`` and ``label_probability``; then, for every cluster k, ``cluster_k`` and, from a
            sample, ``cluster_k_lower`` and ``cluster_k_upper``. The index is that of the data; the labels
            of a MultiIndex are text, such as "(0, 1)". Clusters with names have these in place of their
            numbers.

        Examples
        --------
        >>> import mixtures as mx
        >>> X = mx.datasets.faithful()[:3].set_axis(["first", "second", "third"])
        >>> em = mx.fit_em(mx.GMM(2), mx.datasets.faithful(), random_seed=1)
        >>> mx.responsibilities(em, X).to_frame()["label"].to_dict()
        {'first': 0, 'second': 1, 'third': 0}
        """
        called = self["cluster_name" if "cluster_name" in self.coords else "cluster"].values
        columns = {
            "label": called[self["label"].values],
            "label_probability": self["label_probability"].values,
        }
        endings = {"responsibilities": "", "lower": "_lower", "upper": "_upper"}
        short = [place if k == f"cluster {place}" else k for place, k in enumerate(called)]
        for place, k in enumerate(short):
            for name, ending in endings.items():
                if name in self:
                    columns[f"cluster_{k}{ending}"] = self[name].values[:, place]
        name = self["obs_id"].attrs.get("index", "row")
        return pd.DataFrame(columns, index=pd.Index(self["obs_id"].values, name=name))
