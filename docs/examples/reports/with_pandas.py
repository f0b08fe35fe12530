"""Ask closes of several days with pandas: python with_pandas.py CLOSE...

Arrow types keep amounts as exact decimals; pandas alone would make floats of them.
"""

import json
import sys
from pathlib import Path

import pandas as pd
from pyarrow import parquet

days = []
for folder in map(Path, sys.argv[1:]):
    found = pd.read_parquet(folder / "profit_by_participant.parquet", dtype_backend="pyarrow")
    taken_at = json.loads(
        parquet.read_schema(folder / "profit_by_participant.parquet").metadata[b"clearing.report"]
    )
    found["day"], found["sequence"] = taken_at["Day"][:10], int(taken_at["Sequence"])
    days.append(found)
whole = pd.concat(days)

result = whole.pivot_table(index="account", columns="day", values="net", aggfunc="sum")
print(result.map(lambda net: "" if pd.isna(net) else f"{net:,.2f}").to_string())

movements = pd.concat(
    pd.read_parquet(Path(folder) / "chart_of_accounts.parquet", dtype_backend="pyarrow")
    for folder in sys.argv[1:]
)
assert (movements.groupby("commodity")["closing"].sum() == 0).all()
print(f"{len(movements)} lines, each commodity sums to zero")
