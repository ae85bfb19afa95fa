"""Records that were written down until the last day there is: nothing that is computed from them ends in an error."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tests.builders import DUE, a_policy, a_record, day, facts, judged, suspended
from whmcs_bridge.domain.records import Instalment, RecordKind
from whmcs_bridge.policy import next_step


@pytest.mark.parametrize("kind", RecordKind)
def test_a_record_until_the_end_of_time_is_judged_and_forecast(kind: RecordKind) -> None:
    record = replace(a_record(kind, DUE, date.max, invoice=100), parts=(Instalment(Decimal(1), date.max),))
    for found in (facts(records=[record]), facts(suspended(), records=[record])):
        decision = judged(found, today=day(9))
        assert decision.stage
        next_step(found, a_policy(), day(9))
