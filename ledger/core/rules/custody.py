"""Money in and out: deposits, withdrawals in one step or two, transfers, insurance deposits.

    deposit                 custody -a          wallet +a
    withdrawal              wallet  -a          custody +a
    withdrawal_request      wallet  -a          hold +a
    withdrawal_settled      hold    -a          custody +a
    withdrawal_cancelled    hold    -a          wallet +a
    internal_transfer       wallet  -a          wallet of the other +a
    insurance_deposit       custody -a          deficit first, up to zero; the rest insurance

Money leaves a wallet only up to its balance, and while the account's equity is at least its initial
margin afterwards (`off` pools: the balance alone counts). A request stays open until it is settled
or cancelled with the same account, asset and amount; its id may be used again after that.
"""

from ledger.core import events
from ledger.core.accounts import CUSTODY, HOLD, HOUSE, WALLET
from ledger.core.checks import asset_terms, first_of, in_units, rejected, unknown_account
from ledger.core.defaults.fund import Cause, receive
from ledger.core.margin.withdrawable import beyond_margin
from ledger.core.outcome import Purpose, Rejection
from ledger.core.registers import AssetTerms, Request
from ledger.core.rejections import Code
from ledger.core.state import State
from ledger.core.units import Fixed


def deposit(state: State, fact: events.Deposit) -> Rejection | None:
    """Credit a wallet against custody."""
    found = _amount(state, fact.asset, fact.amount, fact.account)
    if isinstance(found, Rejection):
        return found
    asset, amount = found
    _move(state, asset, (HOUSE, CUSTODY), (fact.account, WALLET), amount)
    return None


def withdrawal(state: State, fact: events.Withdrawal) -> Rejection | None:
    """Pay out of a wallet at once."""
    found = _amount(state, fact.asset, fact.amount, fact.account)
    if isinstance(found, Rejection):
        return found
    asset, amount = found
    refusal = _beyond_wallet(state, asset, fact.account, amount)
    if refusal is None:
        _move(state, asset, (fact.account, WALLET), (HOUSE, CUSTODY), amount)
    return refusal


def withdrawal_request(state: State, fact: events.WithdrawalRequest) -> Rejection | None:
    """Set money aside for a withdrawal to come."""
    found = _amount(state, fact.asset, fact.amount, fact.account)
    if isinstance(found, Rejection):
        return found
    asset, amount = found
    if fact.request_id in state.requests:
        return rejected(Code.REQUEST_EXISTS, f"request {fact.request_id} is already open")
    refusal = _beyond_wallet(state, asset, fact.account, amount)
    if refusal is None:
        _move(state, asset, (fact.account, WALLET), (fact.account, HOLD), amount)
        state.put(state.requests, fact.request_id, Request(fact.account, fact.asset, amount))
    return refusal


def withdrawal_settled(state: State, fact: events.WithdrawalSettled) -> Rejection | None:
    """The custodian has paid: the money held leaves the books."""
    found = _matching(state, fact)
    if isinstance(found, Rejection):
        return found
    asset, amount = found
    _move(state, asset, (fact.account, HOLD), (HOUSE, CUSTODY), amount)
    state.drop(state.requests, fact.request_id)
    return None


def withdrawal_cancelled(state: State, fact: events.WithdrawalCancelled) -> Rejection | None:
    """The withdrawal will not happen: the money held goes back to the wallet."""
    found = _matching(state, fact)
    if isinstance(found, Rejection):
        return found
    asset, amount = found
    _move(state, asset, (fact.account, HOLD), (fact.account, WALLET), amount)
    state.drop(state.requests, fact.request_id)
    return None


def internal_transfer(state: State, fact: events.InternalTransfer) -> Rejection | None:
    """Move money between two participants."""
    found = _amount(state, fact.asset, fact.amount, fact.from_account, fact.to_account)
    if isinstance(found, Rejection):
        return found
    asset, amount = found
    refusal = _beyond_wallet(state, asset, fact.from_account, amount)
    if refusal is None:
        _move(state, asset, (fact.from_account, WALLET), (fact.to_account, WALLET), amount)
    return refusal


def insurance_deposit(state: State, fact: events.InsuranceDeposit) -> Rejection | None:
    """Pay into the insurance fund; an open deficit is covered first."""
    asset = asset_terms(state, fact.asset)
    if isinstance(asset, Rejection):
        return asset
    if asset.asset != state.settlement.asset:
        return rejected(
            Code.UNKNOWN_ASSET,
            f"the insurance fund holds {state.settlement.asset}, found {asset.asset}",
        )
    amount = in_units(fact.amount, asset.scale, "amount")
    if isinstance(amount, Rejection):
        return amount
    custody = state.journal.account(HOUSE, CUSTODY, None, asset.asset, asset.scale)
    state.journal.post(custody, -amount, Purpose.TRANSFER)
    receive(state, amount, Purpose.TRANSFER, Cause("insurance_deposit"))
    return None


def _amount(
    state: State, asset: str, amount: Fixed, *accounts: str
) -> tuple[AssetTerms, int] | Rejection:
    terms = asset_terms(state, asset)
    if isinstance(terms, Rejection):
        return terms
    for account in accounts:
        refusal = unknown_account(state, account)
        if refusal is not None:
            return refusal
    if len(set(accounts)) < len(accounts):
        return rejected(Code.SAME_ACCOUNT, f"from_account and to_account are both {accounts[0]}")
    found = in_units(amount, terms.scale, "amount")
    return found if isinstance(found, Rejection) else (terms, found)


def _matching(
    state: State, fact: events.WithdrawalSettled | events.WithdrawalCancelled
) -> tuple[AssetTerms, int] | Rejection:
    found = _amount(state, fact.asset, fact.amount, fact.account)
    request = state.requests.get(fact.request_id)
    if request is None:
        unknown = rejected(Code.UNKNOWN_REQUEST, f"no open request {fact.request_id}")
        return first_of((found, unknown)) or unknown
    if isinstance(found, Rejection):
        return found
    if request != Request(fact.account, fact.asset, found[1]):
        return rejected(
            Code.REQUEST_MISMATCH,
            f"request {fact.request_id} is for {request.amount} smallest units of {request.asset} "
            f"of {request.account}, found {found[1]} of {fact.asset} of {fact.account}",
        )
    return found


def _beyond_wallet(state: State, asset: AssetTerms, account: str, amount: int) -> Rejection | None:
    balance = state.journal.balance(account, WALLET, None, asset.asset)
    if amount <= balance:
        return beyond_margin(state, account, None, asset.asset, amount)
    return rejected(
        Code.INSUFFICIENT_BALANCE,
        f"wallet of {account} holds {balance} smallest units of {asset.asset}, "
        f"{amount} were asked for",
    )


def _move(
    state: State, asset: AssetTerms, source: tuple[str, str], target: tuple[str, str], amount: int
) -> None:
    journal = state.journal
    for (owner, kind), signed in ((source, -amount), (target, amount)):
        account = journal.account(owner, kind, None, asset.asset, asset.scale)
        journal.post(account, signed, Purpose.TRANSFER)
