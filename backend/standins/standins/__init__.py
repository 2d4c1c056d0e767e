"""Stand-ins for the external services of DawsOS: data providers, a mail server, a trace collector.

They serve staging, tests and laptops, which have no contracts with data providers. Every market data response has the
header `X-Recorded-Data: true`; the numbers are those of `recorded.json`, which says where they are from. The service
reaches the stand-ins by address alone, exactly as it reaches the real services.

The package is no part of the service: it imports nothing of it, and the wheel does not contain it. Its packages are in
`backend/requirements-dev.txt`.
"""
