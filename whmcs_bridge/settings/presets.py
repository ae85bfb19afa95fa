"""Settings files to start from: the presets of common houses, and one example with every table."""

from importlib import resources

from whmcs_bridge.errors import UsageProblem
from whmcs_bridge.settings.load import from_mapping, parse
from whmcs_bridge.settings.model import Settings
from whmcs_bridge.settings.report import or_list, show_text

PRESETS = {
    "strict": "suspended on day 3, ended on day 15 with its backups; licences and servers on days 1 and 3",
    "reminders-3-4-5": "reminders on days 3, 4 and 5, suspended on day 6, nothing ended",
    "patient-8-30": "suspended on day 8, ended on day 30, backups kept for another 30 days",
}
EXAMPLE = "example"
_URL = '"https://billing.example.com"'
_ZONE = '"UTC"'


def preset_text(name: str, *, url: str = "", timezone: str = "") -> str:
    """Return a preset as the text of a settings file, with its comments; `url` and `timezone` are filled in.

    Raises UsageProblem for a name that is no preset.
    """
    if name not in PRESETS:
        raise UsageProblem(f"no preset is called {show_text(name)}, expected {or_list(PRESETS)}")
    text = _text(name)
    if url:
        text = _put(text, f"url = {_URL}", f"url = {_quoted(url)}")
    if timezone:
        text = _put(text, f"timezone = {_ZONE}", f"timezone = {_quoted(timezone)}")
    return text


def example_text() -> str:
    """Return an example of bridge.toml that shows every table."""
    return _text(EXAMPLE)


def example_settings() -> Settings:
    """Return the example as settings; its secrets are references that nothing resolves."""
    return from_mapping(parse(example_text().encode(), "example.toml"), source="example.toml")


def _text(name: str) -> str:
    return resources.files("whmcs_bridge.settings").joinpath("starters", f"{name}.toml").read_text("utf-8")


def _put(text: str, old: str, new: str) -> str:
    """Replace `old` once, keeping the comment behind it in its column where there is room."""
    before, after = text.split(old, 1)
    spare = len(after) - len(after.lstrip(" "))
    kept = max(spare - (len(new) - len(old)), 1)
    return before + new + (" " * kept if after.lstrip(" ").startswith("#") else "") + after.lstrip(" ")


def _quoted(value: str) -> str:
    """Return a TOML basic string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
