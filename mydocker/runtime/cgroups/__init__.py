"""Control groups: v1, v2 and hybrid hosts behind one shape.

`hierarchy.detect()` finds out what this host has; `hierarchy.Cgroup` is the control group of one container on it.
"""
