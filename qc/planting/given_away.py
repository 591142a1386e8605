"""Which findings give a planted error away: new ones about what is wrong now."""

from collections.abc import Collection, Iterable

from pipeline.workspace import Finding

_SEVERITY = {"low": 0, "medium": 1, "high": 2}
_AT_LEAST = _SEVERITY["medium"]


def given_away(
    before: Iterable[Finding], after: Iterable[Finding], wrong: Collection[str]
) -> list[Finding]:
    """List the findings that give an error away.

    Parameters
    ----------
    before, after : iterable of Finding
        Of the case without and with the error.
    wrong : collection of str
        Structures that the error made wrong.

    Returns
    -------
    list of Finding
        New, or more severe than before, of severity medium or high, and about what is wrong.
    """
    known: dict[tuple[str, frozenset[str]], int] = {}
    for finding in before:
        key = (finding.kind, frozenset(finding.structures))
        known[key] = max(known.get(key, -1), _SEVERITY[finding.severity])
    named = set(wrong)
    return [
        finding
        for finding in after
        if named & set(finding.structures)
        and _SEVERITY[finding.severity] >= _AT_LEAST
        and _SEVERITY[finding.severity]
        > known.get((finding.kind, frozenset(finding.structures)), -1)
    ]
