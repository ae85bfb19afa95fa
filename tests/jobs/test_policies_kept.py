"""Every run is under rules whose text is kept: who asks a year later reads what was in force."""

import hashlib
import json

from tests.house import HOSTING, House
from whmcs_bridge.domain.ids import ServiceId


def test_the_rules_of_every_run_are_kept_once_with_their_days() -> None:
    with House.of({"class": {"hosting": HOSTING}}) as house:
        first = house.today
        house.sync()
        house.next_day()
        house.reconfigure({"class": {"hosting": {**HOSTING, "suspend_after_days": 5}}})
        house.next_day()
        new, old = house.bridge.journal.policies()
        assert (old.first_used_on, old.last_used_on, old.syncs) == (first, house.day(-1), 2)
        assert (new.first_used_on, new.last_used_on, new.syncs) == (house.today, house.today, 1)
        assert '"suspend_after_days": 5' in new.text
        assert '"suspend_after_days": 3' in old.text


def test_the_text_is_what_the_version_is_the_hash_of() -> None:
    with House.of({"class": {"hosting": {**HOSTING, "product_groups": ["Höst"]}}}) as house:
        house.sync()
        (kept,) = house.bridge.journal.policies()
        assert kept.version == house.bridge.settings.policy.version
        compact = json.dumps(json.loads(kept.text), sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(compact.encode()).hexdigest() == kept.version


def test_a_hook_a_pause_and_a_hand_back_are_under_known_rules_as_well() -> None:
    with House.of() as house:
        client, _, _ = house.a_debtor(overdue=1)
        house.sync()
        for number, change in enumerate((4, 5, 6)):
            house.reconfigure({"class": {"hosting": {**HOSTING, "suspend_after_days": change}}})
            if number == 0:
                house.bridge.reevaluate(house.bridge.mirror.clients_of({ServiceId(1)}).pop(), "payment")
            elif number == 1:
                house.bridge.pause()
            else:
                house.bridge.hand_back(by="ana")
        known = {kept.version for kept in house.bridge.journal.policies()}
        assert {run.policy_version for run in house.bridge.journal.runs()} <= known
        assert len(known) == 4
        assert client.id == 1
