"""The way in for `whmcs-bridge` and `python -m whmcs_bridge`; the only module that imports `commands`."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from commands import cli
    except KeyboardInterrupt:
        sys.exit(130)
    except ImportError as error:
        sys.exit(_culprit(error))
    if getattr(cli, "name", None) != "whmcs-bridge":
        sys.exit(_culprit(None))
    cli.main(prog_name="whmcs-bridge")


def _culprit(error: ImportError | None) -> str:
    """Say in one line whose package stands in the way; a string as exit code goes to stderr, with code 1."""
    from importlib.metadata import packages_distributions

    missing = getattr(error, "name", None) or ""
    if error is not None and missing.split(".")[0] not in ("", "commands", "whmcs_bridge"):
        return f"whmcs-bridge: {missing} is missing or broken ({error}); install whmcs-bridge again: it brings it"
    found = sys.modules.get("commands")
    where = getattr(found, "__file__", None) or next(iter(getattr(found, "__path__", ())), "nowhere")
    others = sorted(set(packages_distributions().get("commands", ())) - {"whmcs-bridge"})
    whose = f"it belongs to {', '.join(others)}" if others else "it lies in the way of ours"
    way = f"pip uninstall {others[0]}" if others else "start whmcs-bridge from another folder"
    return (
        f"whmcs-bridge: the Python package `commands` found at {where} is not ours: {whose}; "
        f"{way}, or give whmcs-bridge a virtual environment of its own"
    )


if __name__ == "__main__":
    main()
