-- Margin calls, liquidations, deleveraging and the fund: the records of the default waterfall as rows.
-- A record's kind leads to it by index, so that a pool's other records and postings are never read.

CREATE FUNCTION ledger.figures(body bytea) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN convert_from(body, 'UTF8')::json;

CREATE FUNCTION ledger.figure(figures json, name text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN trim_scale((figures ->> name)::numeric);

CREATE VIEW ledger.decided AS
SELECT s.shard, s.name AS pool, r.sequence, r.line, r.kind, r.subject, ledger.figures(r.body) AS body
  FROM ledger.shard s JOIN ledger.record r ON r.shard = s.shard;

CREATE VIEW reporting.liquidations AS
SELECT t.pool, t.subject AS liquidation_id, t.sequence, t.body ->> 'account' AS account,
       t.body ->> 'instrument' AS instrument, ledger.figure(t.body, 'quantity') AS quantity,
       ledger.figure(t.body, 'mark_price') AS mark_price,
       ledger.figure(t.body, 'takeover_value') AS takeover_value,
       ledger.figure(t.body, 'takeover_price') AS takeover_price,
       ledger.figure(t.body, 'bankruptcy_price') AS bankruptcy_price,
       ledger.figure(t.body, 'equity') AS equity,
       ledger.figure(t.body, 'maintenance_margin') AS maintenance_margin,
       ledger.figure(t.body, 'share') AS share, ledger.figure(t.body, 'penalty') AS penalty
  FROM ledger.decided t
 WHERE t.kind = 'takeover';

CREATE VIEW reporting.deleveragings AS
SELECT d.pool, d.body ->> 'liquidation_id' AS liquidation_id, d.sequence,
       d.body ->> 'account' AS account, d.body ->> 'instrument' AS instrument,
       ledger.figure(d.body, 'quantity') AS quantity, ledger.figure(d.body, 'price') AS price,
       (d.body ->> 'rank')::integer AS rank, ledger.figure(d.body, 'score') AS score,
       ledger.figure(d.body, 'realized_pnl') AS realized_pnl
  FROM ledger.decided d
 WHERE d.kind = 'deleveraged';

CREATE VIEW reporting.insurance_fund AS
SELECT f.pool, f.sequence, a.asset, trim_scale(m.after - m.before) AS amount, m.after AS balance,
       f.body ->> 'cause' AS cause, f.body ->> 'liquidation_id' AS liquidation_id
  FROM ledger.decided f
 CROSS JOIN LATERAL (SELECT ledger.figure(f.body, 'insurance_before') AS before,
                            ledger.figure(f.body, 'insurance_after') AS after OFFSET 0) m
 CROSS JOIN LATERAL ledger.settlement_of(f.shard) a
 WHERE f.kind = 'fund' AND m.after <> m.before;

CREATE VIEW reporting.deficits AS
SELECT f.pool, f.sequence, a.asset, trim_scale(m.after - m.before) AS amount, m.after AS balance,
       f.body ->> 'cause' AS cause, f.body ->> 'liquidation_id' AS liquidation_id
  FROM ledger.decided f
 CROSS JOIN LATERAL (SELECT ledger.figure(f.body, 'deficit_before') AS before,
                            ledger.figure(f.body, 'deficit_after') AS after OFFSET 0) m
 CROSS JOIN LATERAL ledger.settlement_of(f.shard) a
 WHERE f.kind = 'fund' AND m.after <> m.before;

CREATE VIEW reporting.margin_calls AS
SELECT c.pool, c.subject AS call_id, c.body ->> 'account' AS account,
       c.body ->> 'margin_instrument' AS instrument, c.sequence AS opened_sequence,
       o.occurred_at AS opened_at, ledger.figure(c.body, 'equity') AS equity,
       ledger.figure(c.body, 'initial_margin') AS initial_margin,
       ledger.figure(c.body, 'maintenance_margin') AS maintenance_margin,
       e.sequence AS closed_sequence, e.occurred_at AS closed_at, e.reason AS end_reason
  FROM ledger.decided c
 CROSS JOIN LATERAL (SELECT v.occurred_at FROM ledger.event v
                      WHERE v.shard = c.shard AND v.sequence = c.sequence OFFSET 0) o
  LEFT JOIN LATERAL (
      SELECT r.sequence, v.occurred_at, ledger.figures(r.body) ->> 'reason' AS reason
        FROM ledger.record r
        JOIN ledger.event v ON v.shard = r.shard AND v.sequence = r.sequence
       WHERE r.shard = c.shard AND r.kind = 'margin_call_end' AND r.subject = c.subject
       LIMIT 1) e ON true
 WHERE c.kind = 'margin_call';

CREATE VIEW reporting.margin_breaches AS
SELECT b.pool, b.sequence, e.event_id, e.occurred_at, b.subject AS account,
       b.body ->> 'instrument' AS instrument,
       CASE WHEN b.kind = 'isolated_shortfall' OR b.body ->> 'margin_instrument' IS NOT NULL
            THEN 'isolated' ELSE 'cross' END AS margin_mode,
       b.kind AS cause, ledger.figure(b.body, 'equity') AS equity,
       CASE b.kind WHEN 'margin_breach' THEN ledger.figure(b.body, 'initial_margin')
                   ELSE ledger.figure(b.body, 'required') END AS initial_margin,
       ledger.figure(b.body, 'missing') AS missing
  FROM ledger.decided b
 CROSS JOIN LATERAL (SELECT v.event_id, v.occurred_at FROM ledger.event v
                      WHERE v.shard = b.shard AND v.sequence = b.sequence OFFSET 0) e
 WHERE b.kind IN ('margin_breach', 'isolated_shortfall');

-- A suspicion ends with the next mark that is a price's, or when a price far from the first suspect
-- takes its place.
CREATE VIEW reporting.suspect_marks AS
SELECT p.pool, p.sequence, o.occurred_at, p.subject AS instrument,
       ledger.figure(p.body, 'mark_price') AS mark_price,
       ledger.figure(p.body, 'index_price') AS index_price,
       ledger.figure(p.body, 'accepted_price') AS accepted_price,
       ledger.figure(p.body, 'band') AS band, p.body ->> 'reason' AS reason,
       ledger.figure(p.body, 'first_suspect') AS first_suspect,
       (p.body ->> 'confirmations')::integer AS confirmations,
       (p.body ->> 'needed')::integer AS needed,
       e.sequence AS closed_sequence, v.occurred_at AS closed_at, e.reason AS end_reason
  FROM ledger.decided p
 CROSS JOIN LATERAL (SELECT x.occurred_at FROM ledger.event x
                      WHERE x.shard = p.shard AND x.sequence = p.sequence OFFSET 0) o
  LEFT JOIN LATERAL (
      SELECT r.sequence, 'replaced' AS reason FROM ledger.record r
       WHERE r.shard = p.shard AND r.kind = 'suspect_mark' AND r.subject = p.subject
         AND r.sequence > p.sequence AND (ledger.figures(r.body) ->> 'confirmations')::integer = 0
       ORDER BY r.sequence LIMIT 1) n ON true
  LEFT JOIN LATERAL (
      SELECT r.sequence, ledger.figures(r.body) ->> 'source' AS reason FROM ledger.record r
       WHERE r.shard = p.shard AND r.kind = 'mark' AND r.subject = p.subject
         AND r.sequence >= p.sequence
         AND ledger.figures(r.body) ->> 'source' NOT IN ('trade', 'opening')
       ORDER BY r.sequence LIMIT 1) m ON true
 CROSS JOIN LATERAL (
      SELECT CASE WHEN n.sequence < m.sequence OR m.sequence IS NULL THEN n.sequence
                  ELSE m.sequence END AS sequence,
             CASE WHEN n.sequence < m.sequence OR m.sequence IS NULL THEN n.reason
                  ELSE m.reason END AS reason) e
  LEFT JOIN LATERAL (SELECT x.occurred_at FROM ledger.event x
                      WHERE x.shard = p.shard AND x.sequence = e.sequence OFFSET 0) v ON true
 WHERE p.kind = 'suspect_mark';
