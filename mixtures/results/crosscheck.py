"""What `crosscheck` returns."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
import xarray as xr

from mixtures.arguments import check_names
from mixtures.brief import model_words, noted, on_a_page, table_head
from mixtures.entries import entries, entry_words
from mixtures.errors import InputError
from mixtures.interrupts import Status
from mixtures.messages import with_names
from mixtures.results.em import EMFit
from mixtures.results.headline import Headline, conclude
from mixtures.results.map import MAPFit
from mixtures.results.parameter_table import ParameterTable
from mixtures.results.uncertainty import Uncertainty
from mixtures.results.value import Value
from mixtures.results.verdict import Check, Starts, Verdict

__all__ = ["Crosscheck"]


@dataclass(frozen=True, eq=False)
class Crosscheck(Value):
    """EM, MAP and posterior of one model with the certificate of their agreement.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per parameter: EM, MAP and their gap (in posterior sds), posterior
        mean, sd and equal-tailed interval, z of EM in the posterior, ESS, R-hat. It
        prints all its columns, below one another where they do not fit side by side.
    certificate : tuple of Check
        Lines of the certificate, each with figure, tolerance and verdict.
    passed : bool
        Whether every line of the certificate holds.
    em : EMFit or None
        EM's fit; None for a user's own model.
    mode : MAPFit
        PyMC's MAP.
    posterior : xarray.DataTree or None
        Aligned posterior sample; None where the posterior is improper. For rows
        that are never in memory at once it is a Laplace approximation, and
        ``attrs["method"]`` says so.
    convergence : Verdict or None
        Whether the sample can be trusted (the sample of a subset of rows, if not all are in memory).
    notes : tuple of str
        What else a reader should know.
    uncertainty : Uncertainty or None
        Standard deviations by several methods side by side, if requested.
    starts : Starts or None
        How many starts of EM and of MAP reached the best optimum; None in files of
        an earlier version.
    status : Status
        Whether the posterior was drawn and judged completely.
    from_cache : bool
        Whether the program of PyMC's log density, made of its graph by an earlier process, was read
        from the cache on disk (see ``MIXTURES_CACHE``).
    mixture : xarray.DataTree or None
        Of a model of your own, the mixture of its rows: parameters in every draw, named as in this
        package, and the rows. None if the model has none, and of a specification.
    names : tuple of str, or None
        Names of the clusters, in their order: in the labels of the table, and used by `describe`, the plots
        and `report`; see `named`. Of a model of your own, the labels of the dim of its clusters, if these
        are text.
    random_seed : int or None
        The seed that it was given; None if it was given none, or a generator.
    """

    table: pd.DataFrame
    certificate: tuple[Check, ...]
    em: EMFit | None
    mode: MAPFit
    posterior: xr.DataTree | None
    convergence: Verdict | None
    notes: tuple[str, ...]
    uncertainty: Uncertainty | None = None
    starts: Starts | None = None
    status: Status = Status.WHOLE
    from_cache: bool = False
    mixture: xr.DataTree | None = None
    names: tuple[str, ...] | None = None
    random_seed: int | None = None

    def __post_init__(self) -> None:
        """Let the table print all its columns."""
        object.__setattr__(self, "table", ParameterTable(self.table))

    def named(self, names: Sequence[str]) -> "Crosscheck":
        """The same with names for the clusters, in their order.

        Parameters
        ----------
        names : sequence of str
            As many different names as there are clusters, such as ``["short", "long"]``.

        Returns
        -------
        Crosscheck
            With the names in the labels of its tables, ``alpha[short]`` in place of ``alpha[0]``, and in the
            words of its checks and notes, "cluster short" in place of "cluster 0". The samples and parameters
            themselves keep the labels along the dim of clusters. The table of a model of your own has the
            names where its clusters have a named dim.

        Raises
        ------
        InputError
            If the names are not different or not as many as the clusters, or no mixture was found in a model
            of your own.

        Examples
        --------
        >>> import mixtures as mx
        >>> X = mx.datasets.faithful()
        >>> cc = mx.crosscheck(mx.GMM(2), X, random_seed=1, progressbar=False)
        >>> list(cc.named(["long", "short"]).table.index[:3])
        ['alpha[long]', 'alpha[short]', 'mu[long, eruptions]']
        """
        k = self.n_clusters
        if k is None:
            raise InputError(
                "names are for the clusters of a mixture, and in this model of your own none was found whose "
                "labels are aligned"
            )
        called = check_names(names, k)
        labels = dict(zip(self._labels(self.names), self._labels(called), strict=True))
        said = partial(with_names, names=called)
        methods, verdict = self.uncertainty, self.convergence
        if methods is not None:
            notes = tuple(map(said, methods.notes))
            methods = replace(methods, table=methods.table.rename(index=labels), notes=notes)
        if verdict is not None:
            verdict = replace(verdict, checks=_noting(verdict.checks, said))
        return replace(
            self,
            table=self.table.rename(index=labels),
            certificate=_noting(self.certificate, said),
            convergence=verdict,
            notes=tuple(map(said, self.notes)),
            uncertainty=methods,
            names=called,
        )

    @property
    def n_clusters(self) -> int | None:
        """Number of clusters; None of a model of your own in which no mixture was found."""
        if self.mode.spec is not None:
            return self.mode.spec.n_components
        return None if self.mixture is None else int(self.mixture["posterior"].sizes["cluster"])

    def relabelled(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of parameters whose labels have numbers of clusters, with the names in their place."""
        return table.rename(index=dict(zip(self._labels(None), self._labels(self.names), strict=True)))

    def in_words(self, label: str) -> str:
        """An entry of the parameters, such as "the mean of waiting in cluster 0", by its label in a table.

        Variables of a model of your own may mean anything: their label stays.
        """
        return label if self.em is None else entry_words(*self._axes(self.names)).get(label, label)

    def _labels(self, names: tuple[str, ...] | None) -> list[str]:
        """Labels of all entries of the parameters under these names of the clusters."""
        return list(entries(*self._axes(names)))

    def _axes(self, names: tuple[str, ...] | None) -> tuple[dict[str, Any], Any, Any]:
        """Shapes and dims of all parameters, and labels along the dims, with these names of the clusters."""
        spec, em = self.mode.spec, self.em
        coords = self.mode.coords if spec is None or em is None else spec.coords(em.features)  # with levels
        shapes, dims = {name: x.shape for name, x in self.mode.params.items()}, self.mode.dims
        if names is not None:
            pairs = (zip(dims.get(name, ()), shape, strict=False) for name, shape in shapes.items())
            sizes = {pair for own in pairs for pair in own}
            alike = [dim for dim in self._cluster_dims if {n for d, n in sizes if d == dim} == {len(names)}]
            coords = {**coords, **dict.fromkeys(alike, names)}
        return shapes, dims, coords

    @property
    def _cluster_dims(self) -> set[str]:
        """Dims that index clusters; those of a model of your own are known by its sample."""
        stored = "{}" if self.posterior is None else self.posterior.attrs.get("cluster_axes", "{}")
        axes = [(name, axis) for own in json.loads(stored).values() for name, axis in own.items()]
        dims = {name: dict(enumerate(own)) for name, own in self.mode.dims.items()}
        found = {dims.get(name, {}).get(axis, "cluster") for name, axis in axes}
        return {"cluster", *found}

    def summary(self) -> pd.DataFrame:
        """EM, MAP and posterior of every parameter, the table without its diagnostics."""
        return self.table.drop(columns=["gap", "z", "ess_tail"], errors="ignore")

    def __repr__(self) -> str:
        """Show on one page what was found and whether it agrees."""
        holds = "holds" if self.passed else "does not hold"
        return on_a_page(
            f"Crosscheck of {model_words(self.mode.spec)}: the certificate of agreement {holds}",
            f"  {self.headline.state.name}: {self.headline.title}",
            *(f"  {check}" for check in self.certificate),
            "" if self.convergence is None else f"  posterior sample: {self.convergence}",
            table_head(self.table.drop(columns=["z", "ess_tail"], errors="ignore"), rows=10),
            noted(self.notes),
        )

    @property
    def passed(self) -> bool:
        """Whether every line of the certificate holds."""
        return all(check.passed for check in self.certificate)

    @property
    def headline(self) -> Headline:
        """The conclusion: green, amber or red, with the reasons."""
        return conclude(
            self.certificate,
            self.convergence,
            self.posterior,
            self.notes,
            interrupted=self.interrupted,
            confirmed=self.starts is None or self.starts.confirmed,
            with_em=self.em is not None,
        )

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C cut the crosscheck short; a note says where."""
        methods = self.uncertainty is not None and self.uncertainty.status is Status.INTERRUPTED
        return methods or self.status is Status.INTERRUPTED


def _noting(checks: Iterable[Check], said: Callable[[str], str]) -> tuple[Check, ...]:
    """Checks whose notes are in other words."""
    return tuple(replace(check, note=said(check.note)) for check in checks)
