"""What `adopt` found is kept whole."""

from datetime import UTC, date, datetime

from whmcs_bridge.journal import SqliteJournal

DAY, AT = date(2026, 3, 10), datetime(2026, 3, 10, 9, 30, tzinfo=UTC)


def test_findings_come_back_as_they_were_written_the_newest_first() -> None:
    journal = SqliteJournal()
    payload = {"suspended": [{"service": 12, "reason": "Überfällig"}], "counts": {"suspend": 3}}
    first = journal.add_adoption(DAY, AT, "ana", "v1", {})
    second = journal.add_adoption(DAY, AT, "ben", "v2", payload)
    found = journal.adoptions()
    assert [f.number for f in found] == [second, first]
    assert (found[0].day, found[0].at, found[0].author, found[0].policy_version) == (DAY, AT, "ben", "v2")
    assert found[0].payload == payload
    assert len(journal.adoptions(1)) == 1
