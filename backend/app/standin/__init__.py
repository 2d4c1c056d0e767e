"""A stand-in for the world outside: recorded market data, a mail server that keeps what it gets, a trace collector.

For staging, tests and laptops, where there are no paid contracts. Every answer says that it is recorded
(`X-Recorded-Data: true`); the numbers are those of the packaged fixture, which is labelled as such. The service talks
to it exactly as it talks to the real providers, by address alone.
"""
