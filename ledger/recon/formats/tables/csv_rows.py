"""Rows of CSV files with a header."""

import csv
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

from ledger.importers.reading import failure, opened
from ledger.recon.formats.fields import Field
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.formats.tables.rows import Rows, places


def csv_rows(path: Path, mapping: SourceMapping, fields: Sequence[Field]) -> Rows:
    """The fields of each row; lines with nothing at all are no rows.

    Raises:
        ImportFailed: No CSV, a column missing, or a row of another length than the header.
    """
    with opened(path, mapping.encoding) as text:
        for number in range(mapping.skip_lines):
            if not text.readline():
                raise failure(path, number + 1, f"is not there; skip_lines is {mapping.skip_lines}")
        reader = csv.reader(text, delimiter=mapping.delimiter, strict=True)
        above = mapping.skip_lines
        try:
            header = [column.strip() for column in next(reader, [])]
            width = len(header)
            where = [width if at is None else at for at in places(path, header, mapping, fields)]
            chosen = itemgetter(*where)
            for row in reader:
                if len(row) != width:
                    if not row:
                        continue
                    message = f"{len(row)} fields, expected {width} as in the header"
                    raise failure(path, above + reader.line_num, message)
                row.append("")
                yield above + reader.line_num, chosen(row)
        except csv.Error as error:
            raise failure(path, above + reader.line_num, f"is not CSV ({error})") from error
