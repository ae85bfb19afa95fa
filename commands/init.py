"""whmcs-bridge init."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from commands.app import App, Command, pass_app
from whmcs_bridge.errors import UsageProblem

IDENTIFIER, SECRET = "env:WHMCS_IDENTIFIER", "env:WHMCS_SECRET"
FORMS = ("env:", "file:")


@click.command(cls=Command)
@click.option("--url", metavar="URL", help="WHMCS's root, as https://billing.example.com.")
@click.option("--timezone", metavar="ZONE", help="The house's time zone, as America/Sao_Paulo.")
@click.option("--preset", metavar="NAME", help="Rules to start from: strict, reminders-3-4-5, patient-8-30.")
@click.option("--identifier", metavar="REF", help="Where the API identifier is: env:NAME or file:PATH.")
@click.option("--secret", metavar="REF", help="Where the API secret is: env:NAME or file:PATH.")
@click.option("--access-key", metavar="REF", help="Where the API access key is, if WHMCS has one: env:NAME, file:PATH.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="PATH", help="File to write.")
@click.option("--force", is_flag=True, help="Replace a file that is there, without asking.")
@click.option("--no-test", is_flag=True, help="Do not test the connection.")
@pass_app
def init(
    app: App,
    url: str | None,
    timezone: str | None,
    preset: str | None,
    identifier: str | None,
    secret: str | None,
    access_key: str | None,
    output: Path | None,
    force: bool,
    no_test: bool,
) -> None:
    """Write bridge.toml, with comments, from a preset, and test the connection. Asks for what no option gives.

    The mode is shadow: nothing is changed until you set it to enforce. Secrets are never written, only where
    they are: env:NAME or file:PATH.

    Exits 0; 1 when the file is written and WHMCS does not answer as it should.

    \b
    Example:
        whmcs-bridge init
        whmcs-bridge init --url https://billing.example.com --timezone UTC --preset strict \\
            --identifier env:WHMCS_IDENTIFIER --secret file:/etc/whmcs-bridge/secret
    """
    from whmcs_bridge.settings.presets import PRESETS

    path = output or Path(app.config or "bridge.toml")
    _may_write(path, force=force)
    url = url or _ask("WHMCS's address (its root)", "--url")
    timezone = timezone or _ask("Time zone of the house", "--timezone", default=_system_zone())
    if preset is None:
        for name, what in PRESETS.items():
            click.echo(f"  {name:16} {what}")
        preset = _ask("Rules to start from", "--preset", default=next(iter(PRESETS)), choices=tuple(PRESETS))
    identifier = _reference(identifier, "identifier", IDENTIFIER)
    secret = _reference(secret, "secret", SECRET)
    text = _text(preset, url, timezone, identifier, secret, access_key)
    _check(text, path)
    _write(path, text)
    click.echo(f"written: {path} (mode shadow: nothing is changed until you set it to enforce)")
    if not no_test:
        _test(path)
    click.echo(f"next: whmcs-bridge{_option(path)} doctor, then whmcs-bridge{_option(path)} plan")


def _option(path: Path) -> str:
    return "" if path == Path("bridge.toml") else f" --config {path}"


def _may_write(path: Path, *, force: bool) -> None:
    """Ask before a file is replaced; raises UsageProblem where nobody says yes."""
    if not path.exists() or force:
        return
    try:
        replace = click.confirm(f"{path} is there already. Replace it?", default=False)
    except click.Abort as end:
        if not isinstance(end.__context__, EOFError):
            raise
        replace = False
    if not replace:
        raise UsageProblem(f"{path} is there already and stays as it is; name another with --output, or use --force")


def _ask(question: str, option: str, *, default: str | None = None, choices: tuple[str, ...] = ()) -> str:
    """Ask a person; raises UsageProblem naming the option where there is nobody to answer."""
    try:
        answer: str = click.prompt(question, default=default, type=click.Choice(choices) if choices else str)
    except click.Abort as end:
        if isinstance(end.__context__, EOFError):
            raise UsageProblem(f"nobody answers; give {option}") from None
        raise
    return answer.strip()


def _reference(given: str | None, name: str, default: str) -> str:
    """Return where a secret is; what is pasted instead of it is refused and not repeated."""
    found = given or _ask(f"Where the API {name} is (env:NAME or file:PATH)", f"--{name}", default=default)
    if not found.startswith(FORMS) or not found.partition(":")[2]:
        raise UsageProblem(f"--{name}: expected env:NAME or file:PATH, never the {name} itself")
    return found


def _text(preset: str, url: str, timezone: str, identifier: str, secret: str, access_key: str | None) -> str:
    from whmcs_bridge.settings.presets import preset_text

    text = preset_text(preset, url=url, timezone=timezone)
    secret_line = f"secret = {_quoted(secret)}"
    if access_key is not None:
        secret_line += f"\naccess_key = {_quoted(_reference(access_key, 'access-key', ''))}"
    text = text.replace(f'identifier = "{IDENTIFIER}"', f"identifier = {_quoted(identifier)}", 1)
    return text.replace(f'secret = "{SECRET}"', secret_line, 1)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _check(text: str, path: Path) -> None:
    """Raise SettingsProblem for an answer that the settings do not take, before anything is written."""
    from whmcs_bridge.settings import from_mapping, parse

    from_mapping(parse(text.encode(), str(path)), source=str(path), env=os.environ, path=path)


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(text, "utf-8")
    part.replace(path)


def _test(path: Path) -> None:
    from whmcs_bridge.settings import load
    from whmcs_bridge.wiring import open_api

    with open_api(load(path)) as whmcs:
        about = whmcs.admin_details()
    click.echo(f"connected: WHMCS {about.version or '?'}, as administrator {about.admin_name or about.admin_id}")


def _system_zone() -> str:
    """Return the machine's time zone by name, UTC where it does not say."""
    named = os.environ.get("TZ", "").lstrip(":")
    if named:
        return named
    link = Path("/etc/localtime")
    _, found, zone = str(link.resolve()).partition("zoneinfo/")
    return zone if found and zone not in ("Etc/UTC", "UCT", "Universal", "Zulu") else "UTC"
