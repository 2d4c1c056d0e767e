"""Looks at a project and drafts its first pipeline: one module for each kind of project, all behind ``kinds.KINDS``."""
