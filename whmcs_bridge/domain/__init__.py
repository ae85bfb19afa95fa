"""The values everything speaks in: WHMCS's book, cases, records, facts. Standard library only."""
