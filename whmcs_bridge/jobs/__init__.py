"""What a command or a timer runs: one job a file, ports as arguments."""
