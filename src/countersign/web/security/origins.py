"""Whether a request that changes something was made by a page of this very website."""

from __future__ import annotations

from collections.abc import Mapping

from countersign.web.site import Site

SAFE_METHODS = frozenset({"GET", "HEAD"})


def is_same_origin(headers: Mapping[str, str], site: Site) -> bool:
    """Tell whether a browser says that a request comes from a page of ours.

    Says False if it says something else; a client that says nothing is let pass, for the
    token in the form decides. headers: by names in lower case.
    """
    fetch_site = headers.get("sec-fetch-site", "")
    if fetch_site and fetch_site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin", "")
    return not origin or origin == site.origin
