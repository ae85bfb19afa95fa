"""Timelines, and what loads, plays and judges them."""

from pathlib import Path

HERE = Path(__file__).parent
