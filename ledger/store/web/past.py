"""The past of what the views tell of now alone: the ADL queue after an event, breaks at a moment.

Rules of this file:

* Each is the view of its name with its columns in their order, from the functions of the past. A
  test holds the two against each other.
* They read tables beside the views, so they are asked as clearing_auditor.
* The back office only ever appends, so that a moment of the clock is found again.
"""

from psycopg import sql

_ORDERED = sql.SQL("""
    WITH pool AS MATERIALIZED (
        SELECT s.shard, s.name, a.asset, a.scale, e.content ->> 'adl_policy' AS policy
          FROM ledger.shard s
         CROSS JOIN LATERAL ledger.settlement_of(s.shard) a
         CROSS JOIN LATERAL ledger.reference_at(s.shard, 'pool', '', %(at_)s::bigint) e
         WHERE s.name = %(pool_)s
    ), instruments AS MATERIALIZED (
        SELECT c.instrument, t.content ->> 'type' AS type,
               (t.content ->> 'multiplier')::numeric AS multiplier,
               ('1e' || (t.content ->> 'price_scale'))::numeric AS units
          FROM pool
          JOIN ledger.commodity c ON c.shard = pool.shard AND c.instrument IS NOT NULL
         CROSS JOIN LATERAL ledger.reference_at(pool.shard, 'instrument', c.instrument,
                                                %(at_)s::bigint) t
    ), cash AS MATERIALIZED (
        SELECT b.account, CASE b.kind WHEN 'isolated' THEN b.instrument END AS margin_instrument,
               sum(b.balance) AS balance
          FROM pool
          JOIN reporting.balances_at(%(pool_)s, %(at_)s::bigint) b ON b.asset = pool.asset
         WHERE b.kind IN ('wallet', 'isolated')
         GROUP BY 1, 2
    ), held AS MATERIALIZED (
        SELECT pool.name AS pool, pool.policy, p.instrument, p.account, p.margin_mode, p.quantity,
               p.unrealized_pnl, p.cost, p.mark_price, m.equity, m.maintenance_margin, pool.scale,
               coalesce(b.balance, 0) AS balance, p.instrument = ANY(m.stale_instruments) AS stale,
               CASE WHEN p.mark_price IS NULL THEN 0
                    WHEN i.type = 'linear' THEN abs(p.quantity) * i.multiplier * p.mark_price
                    ELSE abs(p.quantity) * i.multiplier * i.units END AS numerator,
               CASE WHEN p.mark_price IS NULL OR i.type = 'linear' THEN 1
                    ELSE trim_scale(p.mark_price * i.units) END AS denominator,
               sign(p.quantity) * CASE i.type WHEN 'linear' THEN 1 ELSE -1 END AS direction
          FROM pool
         CROSS JOIN reporting.positions_at(%(pool_)s, %(at_)s::bigint) p
          JOIN instruments i USING (instrument)
          JOIN reporting.margin_at(%(pool_)s, %(at_)s::bigint) m
            ON m.account = p.account AND m.margin_mode = p.margin_mode
           AND (m.margin_mode = 'cross' OR m.instrument = p.instrument)
          LEFT JOIN cash b ON b.account = m.account
           AND b.margin_instrument IS NOT DISTINCT FROM m.instrument
         WHERE p.account NOT LIKE '@%%'
    ), scored AS (
        SELECT h.*, u.unrealized, u.score,
               CASE WHEN h.quantity > 0 THEN 'long' ELSE 'short' END AS side,
               h.equity > 0 AND NOT h.stale
               AND (h.policy <> 'capped_pro_rata' OR u.unrealized > 0) AS eligible
          FROM held h
         CROSS JOIN LATERAL (
              SELECT n.unrealized,
                     CASE WHEN h.equity > 0 AND h.mark_price IS NOT NULL
                          THEN ledger.deleveraging_score(
                              h.policy, n.unrealized,
                              greatest(abs(h.cost), ('1e-' || h.scale)::numeric), h.numerator,
                              h.denominator, abs(h.quantity), h.equity, h.maintenance_margin,
                              h.balance) END AS score
                FROM (SELECT h.cost * h.denominator + h.direction * h.numerator AS unrealized) n
              OFFSET 0) u
    ), ordered AS (
        SELECT c.*, row_number() OVER (
                   PARTITION BY c.instrument, c.side, c.eligible
                   ORDER BY CASE c.policy
                                WHEN 'pro_rata' THEN (c.unrealized > 0)::integer
                                WHEN 'capped_pro_rata' THEN 0
                                ELSE ledger.floor_quotient(
                                         c.score[1] * ('1e' || c.digits)::numeric, c.score[2]) END
                            DESC,
                            c.account) AS place,
               count(*) OVER (PARTITION BY c.instrument, c.side, c.eligible) AS eligibles
          FROM (SELECT s.*, max(4 * greatest(length(abs(s.score[1])::text),
                                             length(s.score[2]::text)))
                            OVER (PARTITION BY s.instrument, s.side) AS digits FROM scored s) c)
""")
"""All open positions of participants after the event `at_`, each in its place of its queue."""

ADL_QUEUE_AT = _ORDERED + sql.SQL("""
    SELECT pool, instrument, side, account, margin_mode, quantity,
           ledger.decimal_of(score[1], score[2], 18) AS score,
           CASE WHEN eligible THEN place END AS rank,
           CASE WHEN eligible THEN ledger.decimal_of(eligibles - place + 1, eligibles, 18) END
           AS percentile,
           eligible
      FROM ordered""")

QUEUES_AT = _ORDERED + sql.SQL("""
    SELECT instrument, side, account, margin_mode, quantity, unrealized_pnl, equity,
           ledger.decimal_of(score[1], score[2], 18) AS score,
           CASE WHEN eligible THEN place END AS rank, eligible
      FROM ordered ORDER BY instrument, side, eligible DESC, place""")
"""The same with what a reader asks next, in the order in which they would be deleveraged."""

OPEN_BREAKS_AT = sql.SQL("""
    SELECT b.break_key, b.pool, b.source, b.type, b.subject, b.account, b.commodity,
           s.severity, l.state, l.assignee, s.ours, s.theirs,
           coalesce(s.ours, 0) - coalesce(s.theirs, 0) AS difference,
           s.our_references, s.their_references, s.happened_at, s.says,
           f.made_at AS found_at, o.made_at AS opened_at, %(moment_)s - f.made_at AS age,
           b.run AS first_run, s.run AS changed_run, l.number AS events, l.made_at AS moved_at
      FROM back_office.break b
      JOIN back_office.break_event f ON f.break_key = b.break_key AND f.number = 1
     CROSS JOIN LATERAL (SELECT e.number, e.state, e.assignee, e.made_at
                           FROM back_office.break_event e
                          WHERE e.break_key = b.break_key AND e.made_at <= %(moment_)s
                          ORDER BY e.number DESC LIMIT 1) l
     CROSS JOIN LATERAL (SELECT e.made_at FROM back_office.break_event e
                          WHERE e.break_key = b.break_key AND e.kind IN ('found', 'reopened')
                            AND e.made_at <= %(moment_)s
                          ORDER BY e.number DESC LIMIT 1) o
     CROSS JOIN LATERAL (SELECT g.* FROM back_office.sighting g
                           JOIN back_office.run r ON r.run = g.run
                          WHERE g.break_key = b.break_key AND r.made_at <= %(moment_)s
                          ORDER BY g.run DESC LIMIT 1) s
     WHERE b.pool = %(pool_)s AND l.state <> 'closed'""")

RUNS_AT = sql.SQL("""
    SELECT * FROM back_office.runs WHERE pool = %(pool_)s AND made_at <= %(moment_)s""")
