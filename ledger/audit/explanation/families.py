"""Which records belong together: a liquidation with its takeovers, a fund movement with its cause.

Everything is found by kind and subject, or in the same event, never by reading the log.
"""

from ledger.store.audit.lookups import FoundRecord, Lookups

LIQUIDATION = ("liquidation", "takeover", "seizure", "made_whole", "liquidation_end")


def root_of(lookups: Lookups, record: FoundRecord) -> FoundRecord:
    """The record that an explanation begins with: a takeover's is its liquidation."""
    kind = {"deleveraged": "deleveraging"}.get(record.kind)
    if record.kind in LIQUIDATION:
        kind = "liquidation"
    if kind is None or kind == record.kind:
        return record
    found = lookups.records_of((kind,), record.subject)
    return found[0] if found else record


def family_of(lookups: Lookups, root: FoundRecord) -> list[FoundRecord]:
    """The root and all that belongs to it, in order, the root not always first."""
    found = {root.address: root}
    for record in _relatives(lookups, root):
        found.setdefault(record.address, record)
    return sorted(found.values())


def _relatives(lookups: Lookups, root: FoundRecord) -> list[FoundRecord]:
    match root.kind:
        case "liquidation":
            return _of_liquidation(lookups, root)
        case "liquidation_round":
            return []
        case "deleveraging":
            return _of_deleveraging(lookups, root)
        case "margin_call_end":
            return lookups.records_of(("margin_call",), root.subject)
        case "fund":
            return _of_fund(lookups, root)
        case "socialized_loss":
            return [
                *lookups.records_of(("fund",), root.subject),
                *lookups.records_of(("socialized_loss",), root.subject),
            ]
        case "unclosed":
            kinds = ("deleveraging", "deleveraged")
            return [
                record
                for record in lookups.records_in(root.sequence, kinds)
                if record.body["instrument"] == root.body["instrument"]
            ]
        case "mark" | "suspect_mark":
            before = lookups.last_record("suspect_mark", root.subject, root.sequence, root.line)
            return [] if before is None else [before]
        case _:
            return []


def _of_liquidation(lookups: Lookups, root: FoundRecord) -> list[FoundRecord]:
    found = lookups.records_of(LIQUIDATION, root.subject)
    found += [
        record
        for record in lookups.records_in(root.sequence, ("liquidation_round",))
        if record.body["round"] == root.body["round"]
    ]
    key = (root.body["account"], root.body["margin_instrument"])
    found += [
        record
        for record in lookups.records_in(root.sequence, ("liquidation",))
        if record < root and (record.body["account"], record.body["margin_instrument"]) == key
    ]
    later = lookups.records_of(("close_out", "unclosed"), root.subject)
    found += later
    for sequence in sorted({root.sequence, *(record.sequence for record in later)}):
        found += [
            record
            for record in lookups.records_in(sequence, ("fund", "deleveraging"))
            if record.body["liquidation_id"] == root.subject
        ]
    return found


def _of_deleveraging(lookups: Lookups, root: FoundRecord) -> list[FoundRecord]:
    found = lookups.records_of(("deleveraging", "deleveraged"), root.subject)
    name = root.body["instrument"]
    for record in lookups.records_in(root.sequence, ("unclosed", "deleveraging_untaken")):
        if name in (record.subject, record.body.get("instrument")):
            found.append(record)
    return found


def _of_fund(lookups: Lookups, root: FoundRecord) -> list[FoundRecord]:
    number = int(root.subject.removeprefix("F-"))
    found = lookups.records_of(("fund",), f"F-{number - 1}") if number > 1 else []
    subjects = {root.body["liquidation_id"] or "-"}
    subjects.update(line["opened_by"] for line in root.body["deficits"])
    kinds = ("made_whole", "close_out", "socialized_loss")
    found += [
        record for record in lookups.records_in(root.sequence, kinds) if record.subject in subjects
    ]
    return found
