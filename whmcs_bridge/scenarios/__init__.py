"""Timelines: load them, play them on the simulator with the real bridge and handlers, judge what came out."""

from whmcs_bridge.scenarios.load import load, read
from whmcs_bridge.scenarios.play import Outcome, exit_code, play, run_files
from whmcs_bridge.scenarios.render import render, summary, to_json, to_line

__all__ = ["Outcome", "exit_code", "load", "play", "read", "render", "run_files", "summary", "to_json", "to_line"]
