"""HTML from templates: every value is escaped, nothing is loaded from elsewhere."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def fill(template: str, **values: Any) -> str:
    """Fill a template in; raises jinja2's UndefinedError for a value that is missing."""
    return _templates().get_template(template).render(values).strip()
