"""System calls under their own names: Python types in, `OSError` with errno, call and path out."""
