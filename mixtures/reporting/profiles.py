"""What the clusters are: a sentence each, and their profiles. It comes first, after the verdict."""

from mixtures.clusters.description import describe
from mixtures.plot.profiles import MOST_NAMED, profiles
from mixtures.reporting.blocks import Block, Figure, Listing, Paragraph, Section
from mixtures.reporting.figures import drawn
from mixtures.reporting.material import Material

__all__ = ["profiles_section"]

MOST_CLUSTERS = 10
"""Clusters up to which all profiles are drawn in one figure."""


def profiles_section(material: Material) -> Section | None:
    """Say what each cluster is; nothing of a user's own model."""
    cc, spec = material.cc, material.spec
    if spec is None:
        return None
    found = describe(cc)
    with_interval = cc.posterior is not None
    intervals = f", with {found.ci_prob:.0%} intervals of the posterior" if with_interval else ""
    apart = (
        " What a cluster differs in most is told in standard deviations: its mean less that of all other "
        "clusters together, over the root of the average of both variances."
        if spec.n_components > 1
        else ""
    )
    blocks: list[Block] = [
        Listing(tuple(f"{sentence}." for sentence in found.sentences)),
        Paragraph(f"Shares are of all rows{intervals}.{apart}", quiet=True),
    ]
    if len(material.features) <= MOST_NAMED and spec.n_components <= MOST_CLUSTERS:
        shown = material.pictured
        picture = shown.posterior if shown.posterior is not None else shown.em or shown.mode
        caption = f"Profiles of the clusters{intervals}; in brackets their shares of the rows."
        blocks.append(Figure(drawn(lambda: profiles(picture)), "Profiles of the clusters", caption))
    return Section("profiles", "What the clusters are", tuple(blocks))
