"""Ask a close and an archive of the books with DuckDB: python with_duckdb.py CLOSE ARCHIVE.

Nothing of the ledger is imported: both are folders of Parquet files with exact decimals.
"""

import sys

import duckdb

close, archive = sys.argv[1:]
books = duckdb.connect()
for name, folder in (("close", close), ("archive", archive)):
    books.execute(f"SET VARIABLE {name} = $folder", {"folder": folder})

print("who earned and who paid, as the close says")
books.sql("""
    SELECT account, sum(realized_pnl)::DECIMAL(20, 2) AS realized,
           sum(funding)::DECIMAL(20, 2) AS funding, sum(fees)::DECIMAL(20, 2) AS fees,
           sum(net)::DECIMAL(20, 2) AS net
      FROM read_parquet(getvariable('close') || '/profit_by_participant.parquet')
     GROUP BY account ORDER BY net
""").show()

# The archive counts in smallest units; the scale of a commodity says how many decimals that is.
books.sql("""
    CREATE VIEW line AS
    SELECT a.owner, a.kind, coalesce(a.asset, a.instrument) AS commodity,
           (sum(p.amount)::VARCHAR || 'e-' || any_value(c.scale))::DECIMAL(38, 18) AS balance
      FROM read_parquet(getvariable('archive') || '/pool=*/posting-*.parquet') p
      JOIN (SELECT DISTINCT shard, account, owner, kind, instrument, asset
              FROM read_parquet(getvariable('archive') || '/pool=*/account-*.parquet')) a
     USING (shard, account)
      JOIN (SELECT DISTINCT shard, commodity, scale
              FROM read_parquet(getvariable('archive') || '/pool=*/commodity-*.parquet')) c
     USING (shard, commodity)
     GROUP BY a.owner, a.kind, a.asset, a.instrument
""")
print("wallets, from every posting of the archive")
books.sql("""
    SELECT owner, commodity, balance::DECIMAL(20, 2) AS balance
      FROM line WHERE kind = 'wallet' ORDER BY owner
""").show()

print("lines of the chart of accounts in which close and archive differ")
books.sql("""
    SELECT commodity, holder, kind, c.closing, l.balance
      FROM read_parquet(getvariable('close') || '/chart_of_accounts.parquet') c
      FULL JOIN (SELECT commodity, CASE WHEN owner LIKE '@%' THEN owner ELSE 'participants' END
                        AS holder, kind, sum(balance) AS balance
                   FROM line GROUP BY ALL) l USING (commodity, holder, kind)
     WHERE c.closing IS DISTINCT FROM l.balance
""").show()
