"""Texts about a declared mixture that are kept on disk beside its programs."""

from collections.abc import Callable

from mixtures.data.table import Data
from mixtures.density.identity import key_of
from mixtures.density.store import DESCRIPTION, Store, cache_folder
from mixtures.families.mixture import Mixture

__all__ = ["kept_text"]


def kept_text(spec: Mixture, data: Data, name: str, make: Callable[[], str]) -> str:
    """A text that depends on no more than the programs do: as it was kept with them, or made now and kept.

    Parameters
    ----------
    spec : Mixture
        A resolved model.
    data : Data
        Checked data.
    name : str
        Name of the text.
    make : callable
        Makes the text.
    """
    folder = cache_folder()
    key = None if folder is None else key_of(spec, data)
    if folder is None or key is None:
        return make()
    store = Store(folder, key)
    if (found := store.read(name)) is not None:
        return found.decode()
    text = make()
    if store.read(DESCRIPTION) is not None:  # there are programs of the model
        store.write(name, text.encode())
    return text
