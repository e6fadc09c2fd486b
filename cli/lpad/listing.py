"""What the get commands have in common: how many there are, their ids, some of their fields, or documents."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lpad import options, output


@dataclass(frozen=True)
class Listing:
    """The ways to look at what is selected: `documents` takes the display, `fields` the paths."""

    count: Callable[[], int]
    ids: Callable[[], list[int]]
    documents: Callable[[str], Iterator[Mapping[str, Any]]]
    fields: Callable[[Sequence[str]], Iterator[Mapping[str, Any]]]

    def show(self, args: argparse.Namespace, columns: Sequence[str]) -> int:
        """Print what the options ask for and return how many there were. columns: the first of a table."""
        if paths := options.read_fields(args):
            return output.show_list(self.fields(paths), args.output, paths, headers=not args.no_header)
        if args.display_format == "count":
            count = self.count()
            output.show(count, args.output)
            return count
        if args.display_format == "ids":
            ids = self.ids()
            output.show(ids, args.output)
            return len(ids)
        found = self.documents(args.display_format or "less")
        return output.show_list(found, args.output, columns, headers=not args.no_header)
