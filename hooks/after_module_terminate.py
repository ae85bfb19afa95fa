"""AfterModuleTerminate: a module has ended a service: its end is noted on this day."""

from hooks.looking_again import look_again_unless_ours as handle

__all__ = ["handle"]
