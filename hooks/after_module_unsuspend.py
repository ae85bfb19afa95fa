"""AfterModuleUnsuspend: a module has let a service go on, whoever asked."""

from hooks.looking_again import look_again_unless_ours as handle

__all__ = ["handle"]
