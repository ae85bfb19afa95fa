"""A country's holidays, computed a year at a time, when first asked."""

from datetime import date


class CountryHolidays:
    """The public holidays of `country[-subdivision]`, as the holidays package knows them."""

    __slots__ = ("_years", "spec")

    def __init__(self, spec: str) -> None:
        """Raise LookupError, in one line, for a country or subdivision that is not known."""
        self.spec = spec
        self._years: dict[int, frozenset[date]] = {}
        _check(spec)

    def __contains__(self, day: object) -> bool:
        if not isinstance(day, date):
            return False
        days = self._years.get(day.year)
        if days is None:
            days = self._years[day.year] = _holidays_of(self.spec, day.year)
        return date(day.year, day.month, day.day) in days

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CountryHolidays) and other.spec == self.spec

    def __hash__(self) -> int:
        return hash(self.spec)

    def __repr__(self) -> str:
        return f"CountryHolidays({self.spec!r})"


def _split(spec: str) -> tuple[str, str | None]:
    country, _, subdivision = spec.partition("-")
    return country, subdivision or None


def _holidays_of(spec: str, year: int) -> frozenset[date]:
    import holidays  # heavy, and most houses do without

    country, subdivision = _split(spec)
    return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year, expand=False))


def _check(spec: str) -> None:
    import holidays

    country, subdivision = _split(spec)
    known = holidays.list_supported_countries(include_aliases=True)
    if country not in known:
        raise LookupError(f"no country {country!r} is known, expected a two-letter code such as BR")
    if subdivision is not None and subdivision not in known[country]:
        some = ", ".join(list(known[country])[:8]) or "none"
        raise LookupError(f"{country} has no subdivision {subdivision!r} with holidays of its own (known: {some}, ...)")
    if spec.endswith("-"):
        raise LookupError("nothing stands after the hyphen")
