"""What every command gets: where the settings are, and a Bridge when it needs one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from whmcs_bridge.api.client import WhmcsApi
    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.settings import Settings

CONFIG_HELP = "Settings file; else WHMCS_BRIDGE_CONFIG, ./bridge.toml, the user's configuration folder."
DEBUG_HELP = "Show the whole traceback of an error."


@dataclass(slots=True)
class App:
    """The options that all commands share; kept in click's context."""

    config: str | None = None
    debug: bool = False

    def path(self) -> Path:
        """Return the settings file; raises UsageProblem."""
        from whmcs_bridge.settings import find

        return find(self.config, os.environ, Path.cwd(), home())

    def settings(self) -> Settings:
        """Return the settings; raises SettingsProblem with every mistake, or UsageProblem."""
        from whmcs_bridge.settings import load

        return load(self.path())

    def bridge(self, *, offline: bool = False) -> Bridge:
        """Wire everything; a context manager. `offline` never reaches WHMCS and needs no credentials."""
        from commands.progress import progress
        from whmcs_bridge.wiring import HouseClock, open_bridge

        settings = self.settings()
        clock = HouseClock(settings.policy.calendar.timezone, played_day())
        return open_bridge(settings, clock=clock, progress=progress(), actor=login_name(), offline=offline)

    def api(self) -> WhmcsApi:
        """Return the API client alone; a context manager."""
        from whmcs_bridge.wiring import open_api

        return open_api(self.settings())


class Options(click.Command):
    """Takes --config and --debug itself, so that they may stand before or behind the command's name."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.params.append(
            click.Option(["--config"], metavar="PATH", help=CONFIG_HELP, expose_value=False, callback=_set_config)
        )
        self.params.append(
            click.Option(["--debug"], is_flag=True, help=DEBUG_HELP, expose_value=False, callback=_set_debug)
        )


class Command(Options):
    """Any command that is no group."""


def _set_config(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(App).config = value


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(App).debug = True


pass_app = click.make_pass_decorator(App, ensure=True)


def home() -> Path:
    """Return the user's home folder; the root where there is none (a system service)."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


PLAYED_DAY = "WHMCS_BRIDGE_TODAY"
"""Environment variable: the house day, for playing with a simulator whose clock was moved. A WHMCS of another day
stops every harmful step (sanity code clock-apart)."""


def played_day() -> date | None:
    """Return the day to play, None for the real one; raises UsageProblem."""
    from whmcs_bridge.errors import UsageProblem

    text = os.environ.get(PLAYED_DAY, "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageProblem(f"{PLAYED_DAY}: found {text!r}, expected a day such as 2026-03-31") from None


def login_name() -> str:
    """Return who is at the keyboard, for the journal."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}"
