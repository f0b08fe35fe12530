-- Every view and column of `reporting` in words. A column's meaning is the same in every view; the
-- few that differ are said again below.
DO $$
DECLARE
    named record;
    words jsonb := '{
        "pool": "Name of the pool, or of the @unrouted shard.",
        "account": "The owner: a participant, @house or @liquidation.",
        "kind": "Line of the chart of accounts.",
        "instrument": "The instrument; null where none is meant.",
        "asset": "The asset; null for contracts.",
        "balance": "After the posting, in whole units of the commodity.",
        "sequence": "Number of the event in its pool.",
        "line": "Place in the entry, from 1.",
        "event_id": "Identity of the event.",
        "occurred_at": "When it happened, as the event says.",
        "account_kind": "Line of the chart of accounts.",
        "commodity": "The asset, or the instrument whose contracts are counted.",
        "amount": "Signed, in whole units of the commodity.",
        "margin_mode": "cross or isolated; null for house owners.",
        "quantity": "In contracts; a position is signed, long positive.",
        "entry_price": "Average, derived from cost; null where not positive.",
        "cost": "Balance of variation: minus the signed value at which it was entered.",
        "mark_price": "The mark that stands, or that the event named.",
        "notional": "Absolute value at the mark, in the settlement asset.",
        "unrealized_pnl": "Cost plus value at the mark, rounded down.",
        "maintenance_margin": "Requirement of the position; null until margin is computed.",
        "liquidation_price": "Mark at which it is liquidated; null until margin is computed.",
        "trade_id": "The number of the venue, if it gave one.",
        "price": "In the settlement asset, as agreed.",
        "buyer": "Who became longer.",
        "seller": "Who became shorter.",
        "buyer_fee": "Paid by the buyer; negative for a rebate.",
        "seller_fee": "Paid by the seller; negative for a rebate.",
        "liquidation_id": "The liquidation that it belongs to; null if none.",
        "busted_by": "Event id of the trade_bust that undid it; null if none.",
        "rate": "Funding rate; longs pay when positive.",
        "position": "Contracts held when funding was paid.",
        "payment": "Received; negative when paid.",
        "fee": "Paid; negative for a rebate.",
        "realized_pnl": "Profit of the closed part, without fees.",
        "cause": "Kind of the event that moved it.",
        "code": "Stable code of the refusal.",
        "detail": "What was found and what was expected.",
        "debit": "Sum of the negative balances, as a positive number.",
        "credit": "Sum of the positive balances; equal to debit."
    }';
    views jsonb := '{
        "balances": "Balance of every account of the books, now.",
        "positions": "Open positions at the latest marks.",
        "postings": "Every leg of every journal entry.",
        "trades": "Accepted trades.",
        "funding_payments": "One row for each holder that paid or received funding.",
        "fees": "Fees and rebates, one row for each side that paid one.",
        "realized_pnl": "Realized profit and loss, one row per account, instrument and event.",
        "insurance_fund": "Every movement of the insurance fund.",
        "deficits": "Every movement of losses that nothing covered yet.",
        "rejections": "Refused messages, one row each.",
        "trial_balance": "Debits and credits per commodity; liabilities are credits.",
        "open_interest": "Contracts held long, per instrument."
    }';
BEGIN
    FOR named IN SELECT c.relname, a.attname FROM pg_catalog.pg_class c
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
                  WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind = 'v' LOOP
        EXECUTE format('COMMENT ON COLUMN reporting.%I.%I IS %L', named.relname, named.attname,
                       words ->> named.attname);
        EXECUTE format('COMMENT ON VIEW reporting.%I IS %L', named.relname,
                       views ->> named.relname);
    END LOOP;
END
$$;
COMMENT ON COLUMN reporting.balances.sequence IS 'The event that last moved it.';
COMMENT ON COLUMN reporting.postings.kind IS 'Kind of the event.';
COMMENT ON COLUMN reporting.rejections.kind IS 'Kind of the event; null if undecoded.';
