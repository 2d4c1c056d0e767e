"""The implementations of the ports: processes, git, toolchains, services.  ``files`` and ``locks`` are for every package."""
