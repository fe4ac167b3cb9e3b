"""What the clusters are: a sentence each, and their profiles. It comes first, after the verdict."""

import re
from collections.abc import Sequence

from mixtures.plot.heat import images
from mixtures.plot.profiles import MOST_NAMED, profiles
from mixtures.reporting.blocks import Block, Figure, Listing, Paragraph, Section, prose
from mixtures.reporting.figures import drawn
from mixtures.reporting.material import Material

__all__ = ["profiles_section"]

PIXEL, LEAST_SIDE = re.compile(r"(.*\D)?(\d+)_(\d+)"), 4
"""Name of a column that is a pixel, and the smallest side of a picture."""


MOST_CLUSTERS = 10
"""Clusters up to which all profiles are drawn in one figure."""


def profiles_section(material: Material, *, links: bool = True) -> Section | None:
    """Say what each cluster is, with links to their pages, and draw it.

    Nothing is said of a user's own model without a mixture that is known here.
    """
    if material.known is None:
        return None
    spec, found, pages = material.known.spec, material.described, material.pages if links else ()
    with_interval = material.cc.posterior is not None
    intervals = f", with {found.ci_prob:.0%} intervals of the posterior" if with_interval else ""
    weighted = material.weights is not None
    shares = "Shares and sizes are of the total weight of the rows" if weighted else "Shares are of all rows"
    apart = (
        " What a cluster differs in most is given in standard deviations: its mean less that of all other "
        "clusters together, over the root of the average of both variances. Overlap is Bhattacharyya's "
        "coefficient: 0% if no row can come from both clusters, 100% if the two are the same."
        if spec.n_components > 1
        else ""
    )
    blocks: list[Block] = [
        *(Paragraph(words) for words in [material.few_pages] if pages and words),
        Listing(tuple(prose(f"{sentence}.") for sentence in found.sentences), pages),
        Paragraph(f"{shares}{intervals}.{apart}", quiet=True),
    ]
    pixels = _pixels(material.features)
    name = next((name for name, dims in spec.dims.items() if dims == ("cluster", "feature")), None)
    if pixels is not None and name is not None and spec.n_components <= MOST_CLUSTERS:
        blocks.append(_as_images(material, pixels, name))
    elif len(material.features) <= MOST_NAMED and spec.n_components <= MOST_CLUSTERS:
        shown = material.pictured
        caption = f"Profiles of the clusters{intervals}; in brackets their shares."
        blocks.append(Figure(drawn(lambda: profiles(shown.cc)), "Profiles of the clusters", caption))
    return Section("profiles", tuple(blocks))


def _pixels(features: Sequence[str]) -> tuple[int, int] | None:
    """Rows and columns of a picture whose pixels the features are: ``name_row_column``, row by row."""
    parts = [PIXEL.fullmatch(feature) for feature in features]
    if not all(parts) or len({part[1] for part in parts if part}) > 1:
        return None
    places = [(int(part[2]), int(part[3])) for part in parts if part]
    rows, columns = (len({place[axis] for place in places}) for axis in (0, 1))
    (top, left), small = min(places), min(rows, columns) < LEAST_SIDE
    whole = [(top + i, left + j) for i in range(rows) for j in range(columns)]
    return None if small or places != whole else (rows, columns)


def _as_images(material: Material, pixels: tuple[int, int], name: str) -> Figure:
    sample = material.cc.posterior is not None
    what = "Posterior means, and below them standard deviations," if sample else "EM's estimates"
    caption = f"{what} of {name} in every cluster; the columns are {pixels[0]} x {pixels[1]} pixels."
    shown = material.pictured
    return Figure(drawn(lambda: images(shown.cc, pixels, name)), "Clusters as images", caption)
