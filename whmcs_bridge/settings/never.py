"""What is set to never: the list that a report shows, so that nobody is spared by oversight."""

from dataclasses import dataclass

from whmcs_bridge.policy.rules import Rules
from whmcs_bridge.settings.model import Settings
from whmcs_bridge.settings.report import group_place, table_place

STAGES = ("suspend_after_days", "terminate_after_days", "delete_backups_after_days")


@dataclass(frozen=True, slots=True)
class Never:
    """One stage that never comes."""

    layer: str
    """As in the file: `[class.hosting]`, `[client.12]`."""
    key: str
    why: str
    """Whether it is written there, is the default, or follows from another key."""


def never_list(settings: Settings) -> tuple[Never, ...]:
    """Return every stage that is off, by class (defaults included), then by layer (as written)."""
    policy = settings.policy
    found: list[Never] = []
    for one in policy.classes:
        rules = Rules(**{**policy.defaults, **one.layer})
        for key in STAGES:
            if getattr(rules, key) is None:
                written = key in one.layer or key in policy.defaults
                found.append(Never(str(table_place("class", one.name)), key, "set" if written else "default"))
            elif key == "terminate_after_days" and rules.suspend_after_days is None:
                found.append(Never(str(table_place("class", one.name)), key, "never suspended"))
    layers = [(str(group_place(name)), layer) for name, layer in policy.groups.items()]
    layers += [(str(table_place("client", str(number))), layer) for number, layer in policy.clients.items()]
    layers += [(str(table_place("service", str(number))), layer) for number, layer in policy.services.items()]
    for place, layer in layers:
        found += [Never(place, key, "set") for key in STAGES if key in layer and layer[key] is None]
        if (
            "suspend_after_days" in layer
            and layer["suspend_after_days"] is None
            and layer.get(STAGES[1], 0) is not None
        ):
            found.append(Never(place, "terminate_after_days", "never suspended"))
    return tuple(found)
