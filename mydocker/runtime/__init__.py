"""Containers: runtime-spec documents, and how they are carried out on this kernel."""
