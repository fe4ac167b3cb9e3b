"""Results in one file, which is checked when it is loaded; nothing in it is executed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"save": ["Header", "read_header"], "fingerprint": ["content_hash"]}
)
