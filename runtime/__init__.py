"""What every long-running process of ours has, whatever it does: logs, figures, a port for probes, dead letters, the registry."""
