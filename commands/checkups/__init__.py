"""What `doctor` looks at: each check-up yields findings and changes nothing."""

from commands.checkups.finding import Finding, Grade

__all__ = ["Finding", "Grade"]
