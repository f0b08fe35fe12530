"""Every kind of record with the shape of its body, in the order of the reference page."""

from ledger.codec.bodies.deleveraging import (
    DeleveragedBody,
    DeleveragingBody,
    DeleveragingUntakenBody,
)
from ledger.codec.bodies.figures import Body
from ledger.codec.bodies.fund import FundBody, FundFloorBody, SocializedLossBody
from ledger.codec.bodies.liquidation import (
    CloseOutBody,
    LiquidationBody,
    LiquidationEndBody,
    LiquidationRoundBody,
    MadeWholeBody,
    SeizureBody,
    TakeoverBody,
    UnclosedBody,
)
from ledger.codec.bodies.margin import (
    IsolatedShortfallBody,
    MarginBreachBody,
    MarginCallBody,
    MarginCallEndBody,
)
from ledger.codec.bodies.prices import (
    AssetPriceBody,
    MarkBody,
    PriceAcceptanceBody,
    SuspectMarkBody,
    TradeBustBody,
)

BODIES: tuple[type[Body], ...] = (
    MarkBody,
    AssetPriceBody,
    SuspectMarkBody,
    PriceAcceptanceBody,
    TradeBustBody,
    MarginCallBody,
    MarginCallEndBody,
    MarginBreachBody,
    IsolatedShortfallBody,
    LiquidationRoundBody,
    LiquidationBody,
    TakeoverBody,
    SeizureBody,
    MadeWholeBody,
    LiquidationEndBody,
    CloseOutBody,
    UnclosedBody,
    FundBody,
    FundFloorBody,
    SocializedLossBody,
    DeleveragingBody,
    DeleveragedBody,
    DeleveragingUntakenBody,
)
