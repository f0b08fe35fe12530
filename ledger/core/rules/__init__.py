"""The procedures of the clearing house, one file each; none imports another.

A rule takes `(state, fact)` and returns None or a `Rejection`. It first asks everything that could
refuse, in the order of `ledger.core.rejections`; then it posts; then it changes registers.
After the first posting only `OutOfRange` may stop it, and the machine unwinds that.
"""
