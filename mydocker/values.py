"""Named tuples for the path of `mydocker run`, which cannot afford `typing`. Imports nothing of ours.

To a type checker this module is `typing`: `NamedTuple` and `TYPE_CHECKING` are its own. At run time they are the few
lines below. Importing `typing` costs 2.3 ms and each of its named tuples 40 us, which is compiled as text; here a class
costs 8 us, and a `run` makes seventy of them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from _collections import _tuplegetter  # what the named tuples of `collections` are read by

    class _Type(type):
        """Makes a class of annotated fields a tuple with names."""

        def __new__(cls, name, bases, namespace):
            fields = tuple(namespace.get("__annotations__", ()))
            if fields:
                namespace["_field_defaults"] = {field: namespace[field] for field in fields if field in namespace}
                namespace["_fields"] = namespace["__match_args__"] = fields
                for index, field in enumerate(fields):
                    namespace[field] = _tuplegetter(index, None)
            namespace.setdefault("__slots__", ())
            return super().__new__(cls, name, bases, namespace)

    class NamedTuple(tuple, metaclass=_Type):
        """As `typing.NamedTuple`: subclass it and annotate the fields; those without a default come first."""

        _fields = ()
        _field_defaults = {}  # noqa: RUF012  (never written to)

        def __new__(cls, *values, **named):
            """Take the fields by place, by name, or from their defaults."""
            if named or len(values) != len(cls._fields):
                values = _complete(cls, values, named)
            return tuple.__new__(cls, values)

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _replace(self, **changes):
            values = [changes.pop(field, value) for field, value in zip(self._fields, self, strict=True)]
            if changes:
                raise ValueError(f"{type(self).__name__} has no field {', '.join(changes)}")
            return tuple.__new__(type(self), values)

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            fields = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({fields})"

    def _complete(kind, values, named):
        """Return all values of a tuple of which some are given by name or left to their defaults."""
        left = kind._fields[len(values) :]
        missing = [field for field in left if field not in named and field not in kind._field_defaults]
        unknown = [field for field in named if field not in left]
        if missing or unknown or len(values) > len(kind._fields):
            raise TypeError(f"{kind.__name__}: {len(values)} values, missing {missing}, unknown or twice {unknown}")
        return values + tuple([named[field] if field in named else kind._field_defaults[field] for field in left])
