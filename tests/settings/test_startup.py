"""Loading settings costs little: what is heavy is imported only by those who configure it."""

import subprocess
import sys

SCRIPT = """
import sys
from whmcs_bridge.settings import from_mapping
from_mapping({"whmcs": {"url": "https://b.example.com", "identifier": "env:A", "secret": "env:B"},
              "calendar": {"timezone": "UTC"},
              "class": {"a": {"product_types": ["server"], "suspend_after_days": 3}}})
sys.stdout.write(" ".join(sorted(sys.modules)))
"""
HEAVY = ("holidays", "jinja2", "requests", "click", "flask", "rich", "sqlite3", "sqlite_utils", "msgspec", "difflib")


def test_settings_without_holidays_import_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)
    assert not set(HEAVY) & set(done.stdout.split())
