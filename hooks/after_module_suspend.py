"""AfterModuleSuspend: a module has suspended a service, whoever asked."""

from hooks.looking_again import look_again_unless_ours as handle

__all__ = ["handle"]
