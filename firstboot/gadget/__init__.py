"""The USB gadget, by configfs. Only the standard library: the laptop must see a network adapter long before a full
Python stack has loaded on a single ARMv6 core.
"""
