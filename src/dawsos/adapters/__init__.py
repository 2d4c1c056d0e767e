"""The world behind the ports: processes, files, git, toolchains.  Adapters import ports and model, never one another's peers."""
