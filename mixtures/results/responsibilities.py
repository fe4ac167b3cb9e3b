"""What `responsibilities` returns."""

import pandas as pd
import xarray as xr

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

    def to_frame(self) -> pd.DataFrame:
        """One row per row of the data, under its label.

        Returns
        -------
        pandas.DataFrame
            ``label`` and ``label_probability``; then, for every cluster k, ``cluster_k`` and, from a
            sample, ``cluster_k_lower`` and ``cluster_k_upper``. The index is that of the data.

        Examples
        --------
        >>> import mixtures as mx
        >>> X = mx.datasets.faithful()[:3].set_axis(["first", "second", "third"])
        >>> em = mx.fit_em(mx.GMM(2), mx.datasets.faithful(), random_seed=1)
        >>> mx.responsibilities(em, X).to_frame()["label"].to_dict()
        {'first': 0, 'second': 1, 'third': 0}
        """
        columns = {name: self[name].values for name in ("label", "label_probability")}
        endings = {"responsibilities": "", "lower": "_lower", "upper": "_upper"}
        for place, k in enumerate(self["cluster"].values):
            for name, ending in endings.items():
                if name in self:
                    columns[f"cluster_{k}{ending}"] = self[name].values[:, place]
        name = self["obs_id"].attrs.get("index", "row")
        return pd.DataFrame(columns, index=pd.Index(self["obs_id"].values, name=name))
